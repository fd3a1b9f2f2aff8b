"""What is generated and checked in is what would be generated now."""

import subprocess
import sys

import pytest
import yaml

import chart


@pytest.mark.parametrize("script", ["render-manifests", "chart-readme"])
def test_it_is_fresh(script):
    done = subprocess.run([sys.executable, chart.ROOT / "scripts" / script, "--check"], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HELM": chart.HELM})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sample_of_secrets_is_fresh():
    done = subprocess.run([chart.ROOT / "scripts" / "make-secrets", "--sample"], capture_output=True, text=True, check=True)
    assert (chart.ROOT / "k8s" / "Secrets-sample.yaml").read_text() == done.stdout


def test_the_next_epoch_is_begun_by_the_message_service_with_the_rights_of_migrations():
    job = yaml.safe_load((chart.ROOT / "k8s" / "eks" / "begin-epoch.yaml").read_text())
    assert job["kind"] == "Job"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["begin-epoch"]
    assert "/message:" in container["image"]
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "parlance-migrate"


@pytest.mark.parametrize(("manifest", "option"), [("minikube.yaml", "--dev-servers"), ("eks.yaml", "--sample")])
def test_plain_manifests_need_no_secret_that_the_script_does_not_make(manifest, option):
    found = [it for it in yaml.safe_load_all((chart.ROOT / "k8s" / manifest).read_text()) if it]
    script = subprocess.run([chart.ROOT / "scripts" / "make-secrets", option], capture_output=True, text=True, check=True)
    made = {(it["kind"], it["metadata"]["name"]): {**it.get("data", {}), **it.get("stringData", {})}
            for it in [*found, *yaml.safe_load_all(script.stdout)] if it and it["kind"] in ("Secret", "ConfigMap")}
    needed = set()
    for _, _, spec, _ in chart.pods(found):
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                needed.add(("Secret", volume["secret"]["secretName"]))
            if "configMap" in volume:
                needed.add(("ConfigMap", volume["configMap"]["name"]))
        for container in spec["containers"]:
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert reference["key"] in made["Secret", reference["name"]]
    assert needed
    assert needed <= set(made)
