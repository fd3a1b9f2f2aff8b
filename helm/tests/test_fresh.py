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
