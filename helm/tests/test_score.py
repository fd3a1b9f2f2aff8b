"""What kube-score says of the render. KUBE_SCORE names it; scripts/check-charts builds it."""

import os
import subprocess

import pytest

import chart

# Why each is left out:
IGNORED = [
    "container-image-pull-policy",  # tags are never moved, and a node must start pods without the registry
    "container-ephemeral-storage-request-and-limit",  # nothing is written but logs, which the kubelet rotates
    "deployment-has-host-podantiaffinity", "statefulset-has-host-podantiaffinity",  # topology spread does it
]
# One node, servers of others with their own users.
SMALL = ["deployment-replicas", "container-security-context-user-group-id"]


def score(manifests, ignored):
    program = os.environ.get("KUBE_SCORE")
    if not program:
        pytest.fail("KUBE_SCORE isn't set: run scripts/check-charts")
    arguments = [part for it in ignored for part in ("--ignore-test", it)]
    done = subprocess.run([program, "score", "--output-format", "ci", "--ignore-container-cpu-limit", *arguments, "-"],
                          input=manifests, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert any(line.startswith("[OK]") for line in lines), done.stderr
    return [line for line in lines if line.startswith(("[CRITICAL]", "[WARNING]"))]


@pytest.mark.parametrize("name", ["defaults", "eks", "own-secrets"])
def test_nothing_is_found(name):
    assert score(chart.text(*chart.CASES[name]), IGNORED) == []


@pytest.mark.parametrize("name", ["minikube", "preview"])
def test_nothing_else_is_found_in_a_small_one(name):
    assert score(chart.text(*chart.CASES[name]), IGNORED + SMALL) == []


def test_something_would_be_found():
    worse = chart.text(*chart.CASES["defaults"]).replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    assert score(worse, IGNORED)
