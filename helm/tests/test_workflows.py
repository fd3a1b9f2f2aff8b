"""The pipeline's files: what can be said of them without running them."""

import re

import pytest
import yaml

import chart

FILES = sorted((chart.ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow):
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


@pytest.mark.parametrize("path", FILES, ids=lambda it: it.stem)
def test_rights_are_given_where_they_are_needed(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        if "write" in (job.get("permissions") or {}).values():
            assert path.stem in ("release", "preview"), name


@pytest.mark.parametrize("path", FILES, ids=lambda it: it.stem)
def test_actions_have_a_version(path):
    for _, step in steps(yaml.safe_load(path.read_text())):
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@v[0-9.]+", step["uses"]), step["uses"]


@pytest.mark.parametrize("path", FILES, ids=lambda it: it.stem)
def test_no_text_of_a_stranger_gets_into_a_shell(path):
    for name, step in steps(yaml.safe_load(path.read_text())):
        for expression in re.findall(r"\$\{\{\s*(.*?)\s*\}\}", step.get("run", "")):
            assert re.match(r"(vars|secrets)\.|github\.(repository|actor|base_ref)|github\.ref_type == ", expression), f"{name}: {expression}"


@pytest.mark.parametrize("path", FILES, ids=lambda it: it.stem)
def test_files_that_are_named_exist(path):
    text = path.read_text()
    named = set(re.findall(r"(?:scripts|helm|docker|docs)/[\w./-]+[\w]", text)) | ({".ci/run"} if ".ci/run" in text else set())
    # A registry's folder and an action, not ours.
    for name in named - {"helm/kind-action"}:
        if not re.match(r"docker/(setup|login|build)", name):
            assert (chart.ROOT / name).exists(), name


def test_what_runs_here_runs_there():
    text = (chart.ROOT / ".github" / "workflows" / "check.yml").read_text()
    assert "run: .ci/run" in text
    assert "run: scripts/check-charts" in text


def test_every_image_of_the_chart_is_built():
    workflow = yaml.safe_load((chart.ROOT / ".github" / "workflows" / "release.yml").read_text())
    built = set(workflow["jobs"]["images"]["strategy"]["matrix"]["image"])
    used = {container["image"].rsplit("/", 1)[1].partition(":")[0]
            for _, _, spec, _ in chart.pods(chart.case("minikube")) for container in spec["containers"]}
    assert used - {"kafka", "redis", "postgres"} == built
