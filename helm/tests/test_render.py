import re

import kubernetes_validate
import pytest

import chart

# Kinds of others, whose schemas are theirs.
FOREIGN = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"), ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("networking.istio.io/v1", "VirtualService"), ("networking.istio.io/v1", "DestinationRule"),
    ("security.istio.io/v1", "PeerAuthentication"), ("gateway.networking.k8s.io/v1", "HTTPRoute"),
}
STANDARD_LABELS = {f"app.kubernetes.io/{it}" for it in ("name", "instance", "version", "component", "part-of", "managed-by")}
DEV_SERVERS = {"kafka", "redis", "postgres", "local-aws"}


@pytest.mark.parametrize("name", chart.CASES)
def test_lint_finds_nothing(name):
    done = chart.helm("lint", "--strict", str(chart.CHART), "--kube-version", "1.34.0", *chart.CASES[name])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kubernetes", chart.KUBERNETES)
@pytest.mark.parametrize("name", chart.CASES)
def test_every_object_is_valid(name, kubernetes):
    for it in chart.case(name):
        if (it["apiVersion"], it["kind"]) in FOREIGN:
            assert it["spec"]
        else:
            kubernetes_validate.validate(it, kubernetes, strict=True)


def test_an_invalid_object_would_be_found():
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}, "1.34", strict=True)


@pytest.mark.parametrize("kubernetes", chart.KUBERNETES)
def test_the_chart_takes_every_version_of_kubernetes(kubernetes):
    assert chart.text(*chart.CASES["eks"], kubernetes=kubernetes)


def test_an_older_kubernetes_is_refused():
    done = chart.helm("template", "parlance", str(chart.CHART), "--kube-version", "1.30.0", *chart.EXTERNAL)
    assert "kubeVersion" in done.stderr


@pytest.mark.parametrize("name", chart.CASES)
def test_names_are_unique_and_labels_are_the_recommended_ones(name):
    seen = set()
    for it in chart.case(name):
        key = (it["kind"], it["metadata"]["name"])
        assert key not in seen
        seen.add(key)
        assert STANDARD_LABELS <= set(it["metadata"]["labels"]), key
    for pod, labels, _, _ in chart.pods(chart.case(name)):
        if labels["app.kubernetes.io/component"] not in DEV_SERVERS:
            assert STANDARD_LABELS <= set(labels), pod


@pytest.mark.parametrize("name", chart.CASES)
def test_a_release_with_the_longest_name_fits(name):
    done = chart.helm("template", "r" * 53, str(chart.CHART), "--kube-version", "1.34.0", *chart.CASES[name])
    assert done.returncode == 0, done.stderr
    for found in re.findall(r"^  name: (\S+)$", done.stdout, re.M):
        assert len(found) <= 63, found


@pytest.mark.parametrize("name", chart.CASES)
def test_selectors_select_their_own_pods_and_nobody_elses(name):
    found = chart.case(name)
    owners = chart.of_kind(found, "Deployment", "StatefulSet")
    for owner in owners:
        selector = owner["spec"]["selector"]["matchLabels"]
        chosen = [it["metadata"]["name"] for it in owners
                  if selector.items() <= it["spec"]["template"]["metadata"]["labels"].items()]
        assert chosen == [owner["metadata"]["name"]]


@pytest.mark.parametrize("name", chart.CASES)
def test_services_lead_to_ports_that_are_open(name):
    found = chart.case(name)
    running = list(chart.pods(found))
    for service in chart.of_kind(found, "Service"):
        selector = service["spec"]["selector"]
        targets = [spec for _, labels, spec, _ in running if selector.items() <= labels.items()]
        assert targets, service["metadata"]["name"]
        for spec in targets:
            ports = {port["name"] for port in spec["containers"][0]["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("name", chart.CASES)
def test_ingresses_lead_to_services(name):
    found = chart.case(name)
    for ingress in chart.of_kind(found, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                target = path["backend"]["service"]
                service = chart.one(found, "Service", target["name"])
                assert target["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize("name", ["defaults", "everything"])
def test_budgets_and_autoscalers_are_for_what_exists(name):
    found = chart.case(name)
    for scaler in chart.of_kind(found, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        owner = chart.one(found, target["kind"], target["name"])
        assert "replicas" not in owner["spec"], "an upgrade would undo what the autoscaler did"
    budgets = chart.of_kind(found, "PodDisruptionBudget")
    assert len(budgets) == 6
    for budget in budgets:
        selector = budget["spec"]["selector"]["matchLabels"]
        assert any(selector.items() <= labels.items() for _, labels, _, _ in chart.pods(found))
        assert budget["spec"]["maxUnavailable"] == 1


def test_a_canary_is_a_deployment_beside_or_the_last_pods_of_a_statefulset():
    found = chart.case("everything")
    canary = chart.one(found, "Deployment", "parlance-account-canary")
    assert canary["spec"]["template"]["spec"]["containers"][0]["image"].endswith("account:0.2.0")
    stable = chart.one(found, "Deployment", "parlance-account")
    assert stable["spec"]["template"]["spec"]["containers"][0]["image"].endswith("account:0.1.0")
    gateway = chart.one(found, "StatefulSet", "parlance-chat-gateway")
    assert gateway["spec"]["updateStrategy"]["rollingUpdate"]["partition"] == 2
    assert gateway["spec"]["template"]["spec"]["containers"][0]["image"].endswith("chat-gateway:0.2.0")
    route = chart.one(found, "VirtualService", "parlance-account")["spec"]["http"][0]["route"]
    assert [it["weight"] for it in route] == [90, 10]


def test_the_mesh_is_strict():
    found = chart.case("everything")
    rules = {chart.component(it): it["spec"] for it in chart.of_kind(found, "PeerAuthentication")}
    assert set(rules) == {*chart.SERVICES, "web"}
    for service, spec in rules.items():
        assert spec["mtls"]["mode"] == "STRICT"
        pods = [labels for _, labels, _, _ in chart.pods(found) if spec["selector"]["matchLabels"].items() <= labels.items()]
        assert pods and {labels["app.kubernetes.io/component"] for labels in pods} == {service}
        # In clear, by Prometheus only.
        ports = {int(port) for port in spec.get("portLevelMtls", {})}
        assert ports == (set() if service == "web" else {int(chart.defaults(service)["listen"]["ops"].rpartition(":")[2])})


@pytest.mark.parametrize(("mode", "hooks"), [("hook", True), ("job", False)])
def test_migrations_are_hooks_or_jobs_of_their_revision(mode, hooks):
    found = chart.objects(*chart.EXTERNAL, "--set", f"migrations.mode={mode}")
    jobs = chart.of_kind(found, "Job")
    assert len(jobs) == 4
    for job in jobs:
        annotations = job["metadata"].get("annotations", {})
        assert (annotations.get("helm.sh/hook") == "pre-install,pre-upgrade") == hooks
        assert job["metadata"]["name"].endswith("-migrate" if hooks else "-migrate-1")
    if hooks:
        weights = {job["metadata"]["name"]: int(job["metadata"]["annotations"]["helm.sh/hook-weight"]) for job in jobs}
        account = chart.one(found, "ServiceAccount", "parlance-migrate")
        # The topics get their replication from the first that makes them; the account is there before all.
        assert min(weights, key=weights.get) == "parlance-message-migrate"
        assert int(account["metadata"]["annotations"]["helm.sh/hook-weight"]) < min(weights.values())


def test_what_a_hook_needs_is_a_hook_or_was_there_before():
    found = chart.case("own-secrets")
    for _, _, spec, owner in chart.pods(found):
        if owner["kind"] != "Job":
            continue
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                secret = chart.one(found, "Secret", volume["secret"]["secretName"])
                assert "helm.sh/hook" in secret["metadata"]["annotations"]
        for container in spec["containers"]:
            assert "envFrom" not in container


def test_without_migrations_there_are_no_jobs():
    assert not chart.of_kind(chart.objects(*chart.EXTERNAL, "--set", "migrations.mode=off"), "Job")


def test_what_can_not_be_changed_by_an_upgrade_stays():
    """Selectors, service names and volume claims: a change of one breaks every upgrade and needs a new major version."""
    import json
    pinned = json.loads((chart.ROOT / "helm" / "tests" / "immutable.json").read_text())
    now = {}
    for it in chart.of_kind(chart.case("volumes"), "Deployment", "StatefulSet"):
        spec = it["spec"]
        now[it["metadata"]["name"]] = {
            "selector": spec["selector"], "serviceName": spec.get("serviceName"),
            "podManagementPolicy": spec.get("podManagementPolicy"),
            "volumeClaimTemplates": spec.get("volumeClaimTemplates")}
    assert now == pinned
