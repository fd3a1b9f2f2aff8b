"""An upgrade from the version of the chart before, and the way back, as the API server will see them.

`previous/` holds that version as it was released. That pods of both versions serve meanwhile is what
`scripts/cluster-check` tries, with that chart as FROM_CHART.
"""

import copy
import pathlib
import tempfile

import pytest
import yaml

import chart

PREVIOUS = next((chart.ROOT / "helm" / "tests" / "previous").glob("parlance-*.tgz"))
# What an operator has said stays as it is; that version knew nothing of mail, nor of TLS.
VALUES = {name: chart.CASES[name] for name in ("defaults", "minikube", "volumes")}
VALUES["own-secrets"] = chart.OWN_SECRETS
# Of a StatefulSet the API server takes a change of these only (Kubernetes API reference, StatefulSetSpec).
MAY_CHANGE = {"replicas", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
              "ordinals", "revisionHistoryLimit"}


def without_tls(folder):
    values = yaml.safe_load((chart.CHART / "values-eks.yaml").read_text())
    for key in ("security", "username"):
        del values["kafka"][key]
    path = pathlib.Path(folder) / "eks.yaml"
    path.write_text(yaml.safe_dump(values))
    return ["--values", str(path)]


FOLDER = tempfile.TemporaryDirectory()
VALUES["eks"] = without_tls(FOLDER.name)


def versions(name, way):
    before, after = chart.objects(*VALUES[name], of=PREVIOUS), chart.objects(*VALUES[name])
    return (before, after) if way == "upgrade" else (after, before)


def key(it):
    return it["kind"], it["metadata"]["name"]


def is_hook(it):
    return "helm.sh/hook" in (it["metadata"].get("annotations") or {})


def refusals(before, after):
    """Objects whose change the API server would refuse."""
    old = {key(it): it for it in before if not is_hook(it)}
    found = []
    for it in after:
        was = old.get(key(it))
        if was is None or is_hook(it):
            continue
        now, then, kind = it.get("spec", {}), was.get("spec", {}), it["kind"]
        if kind == "StatefulSet":
            changed = {field for field in now.keys() | then.keys() if now.get(field) != then.get(field)} - MAY_CHANGE
        elif kind == "Deployment":
            changed = {"selector"} if now["selector"] != then["selector"] else set()
        elif kind == "Service":
            changed = {"clusterIP"} if (now.get("clusterIP") == "None") != (then.get("clusterIP") == "None") else set()
        elif kind == "PersistentVolumeClaim":
            changed = {"spec"} if now != then else set()
        elif kind == "Job":
            # Named by the revision of the release, which `helm template` takes for the first: each has its own.
            named_by_revision = it["metadata"]["name"].endswith("-migrate-1")
            changed = {"template"} if now["template"] != then["template"] and not named_by_revision else set()
        elif kind == "Secret":
            changed = {"type"} if it.get("type") != was.get("type") else set()
        else:
            changed = set()
        found += [(*key(it), field) for field in sorted(changed)]
    return found


def selected(selector, found):
    return {(owner["kind"], name) for name, labels, _, owner in chart.pods(found)
            if owner["kind"] != "Job" and selector.items() <= labels.items()}


def asked_for(spec):
    """Objects that a pod needs in order to start again."""
    yield "ServiceAccount", spec.get("serviceAccountName", "default")
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]


def test_the_version_before_is_another():
    then = yaml.safe_load(chart.helm("show", "chart", str(PREVIOUS)).stdout)["version"]
    now = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["version"]
    assert then != now
    assert PREVIOUS.name == f"parlance-{then}.tgz"


@pytest.mark.parametrize("way", ["upgrade", "rollback"])
@pytest.mark.parametrize("name", VALUES)
def test_nothing_changes_that_can_not_be_changed(name, way):
    assert not refusals(*versions(name, way))


@pytest.mark.parametrize("way", ["upgrade", "rollback"])
@pytest.mark.parametrize("name", VALUES)
def test_pods_of_both_versions_are_reached_and_protected_meanwhile(name, way):
    before, after = versions(name, way)
    both = {key(it) for it in before} & {key(it) for it in after}
    seen = 0
    for it in chart.of_kind(after, "Service", "NetworkPolicy", "PodDisruptionBudget"):
        spec = it["spec"]
        selector = spec.get("selector") if it["kind"] == "Service" else (spec.get("podSelector") or spec.get("selector"))
        selector = (selector or {}).get("matchLabels", selector or {})
        if not selector or "matchExpressions" in selector:
            continue
        of_new, of_old = selected(selector, after) & both, selected(selector, before) & both
        assert of_new == of_old, key(it)
        seen += len(of_new)
    assert seen > 10


@pytest.mark.parametrize("way", ["upgrade", "rollback"])
@pytest.mark.parametrize("name", VALUES)
def test_a_pod_of_the_version_that_goes_can_start_again_meanwhile(name, way):
    before, after = versions(name, way)
    there, was = {key(it) for it in after}, {key(it) for it in before}
    for pod, _, spec, owner in chart.pods(before):
        if owner["kind"] in ("Job", "Pod"):
            continue
        # What the release didn't bring before is the operator's.
        gone = {it for it in asked_for(spec) if it in was} - there
        assert not gone, pod


@pytest.mark.parametrize(("kind", "break_it"), [
    ("StatefulSet", lambda it: it["spec"].update(serviceName="other")),
    ("StatefulSet", lambda it: it["spec"]["selector"]["matchLabels"].update(more="labels")),
    ("Deployment", lambda it: it["spec"]["selector"]["matchLabels"].update(more="labels")),
    ("Service", lambda it: it["spec"].update(clusterIP="10.0.0.1" if it["spec"].get("clusterIP") == "None" else "None")),
])
def test_a_change_that_would_be_refused_is_found(kind, break_it):
    before, _ = versions("minikube", "upgrade")
    after = copy.deepcopy(before)
    broken = chart.of_kind(after, kind)[0]
    break_it(broken)
    assert [it[:2] for it in refusals(before, after)] == [key(broken)]
