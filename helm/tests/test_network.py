"""Who may speak to whom, computed from the rendered policies as a network that enforces them would."""

import ipaddress

import pytest

import chart

WORLD = ("203.0.113.7", {}, None)


def endpoints(found):
    """name -> (address, labels, namespace); one for each set of pods, and some that aren't ours."""
    ends = {}
    for name, labels, _, _ in chart.pods(found):
        ends[labels["app.kubernetes.io/component"]] = (None, labels, chart.NAMESPACE)
    ends["ingress"] = (None, {}, "ingress-nginx")
    ends["prometheus"] = (None, {}, "monitoring")
    ends["dns"] = (None, {}, "kube-system")
    ends["stranger"] = (None, {"app": "stranger"}, chart.NAMESPACE)
    ends["elsewhere"] = (None, {}, "other")
    ends["alb"] = ("10.0.1.9", {}, None)
    ends["store"] = ("10.0.200.1", {}, None)
    ends["world"] = WORLD
    return ends


def matches_labels(selector, labels):
    assert "matchExpressions" not in selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def matches_peer(peer, end):
    address, labels, namespace = end
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(block["cidr"])
    if namespace is None:
        return False
    if "namespaceSelector" in peer:
        if not matches_labels(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace}):
            return False
    elif namespace != chart.NAMESPACE:
        return False
    return matches_labels(peer.get("podSelector", {}), labels)


def policies_of(found, end, direction):
    _, labels, namespace = end
    if namespace != chart.NAMESPACE:
        return None
    chosen = [policy["spec"] for policy in chart.of_kind(found, "NetworkPolicy")
              if direction in policy["spec"]["policyTypes"] and matches_labels(policy["spec"]["podSelector"], labels)]
    return chosen or None


def allows(policies, key, side, other, port):
    """No policy selects the pod: everything is allowed. Otherwise some rule must allow it."""
    if policies is None:
        return True
    for policy in policies:
        for rule in policy.get(key, []):
            if side in rule and not any(matches_peer(peer, other) for peer in rule[side]):
                continue
            if "ports" not in rule or any(it["port"] == port and it.get("protocol", "TCP") == "TCP" for it in rule["ports"]):
                return True
    return False


def allowed(found, source, target, port):
    return (allows(policies_of(found, source, "Egress"), "egress", "to", target, port)
            and allows(policies_of(found, target, "Ingress"), "ingress", "from", source, port))


def pairs(found):
    """Every (source, target, port) that is allowed towards a pod of ours, from anybody."""
    ends = endpoints(found)
    ports = {}
    for _, labels, spec, _ in chart.pods(found):
        name = labels["app.kubernetes.io/component"]
        ports.setdefault(name, set()).update(
            port["containerPort"] for container in spec["containers"] for port in container.get("ports", []))
    # One that nobody opened, so that "all ports" would show.
    return {(source, target, port)
            for target in ports for port in ports[target] | {65000}
            for source in ends if source != target
            if allowed(found, ends[source], ends[target], port)}


def port_of(service, kind):
    return int(chart.defaults(service)["listen"][kind].rpartition(":")[2])


def expected(ingress, *, forward, dev, grpc=False):
    want = set()
    for service in chart.SERVICES:
        http = port_of(service, "http")
        want.add((ingress, service, http))
        want.add(("prometheus", service, port_of(service, "ops")))
        if grpc:
            want.add((ingress, service, port_of(service, "grpc")))
        # The short addresses of groups.
        if forward or service == "conversation":
            want.add(("web", service, http))
        if service != "account":
            want.add((service, "account", port_of("account", "http")))
        # Whom a service calls is in its settings.
        for peer in chart.defaults(service).get("peers", {}):
            want.add((service, peer, port_of(peer, "internal")))
        if dev:
            sections = chart.defaults(service)
            if "database" in sections:
                want.add((service, "postgres", 5432))
            if "redis" in sections:
                want.add((service, "redis", 6379))
            if "kafka" in sections:
                want.add((service, "kafka", 9092))
            if "aws" in sections:
                want |= {(service, "local-aws", 7181), (service, "local-aws", 7182)}
    want.add((ingress, "web", 8080))
    if dev:
        want |= {("migrate", server, port) for server, port in
                 (("postgres", 5432), ("kafka", 9092), ("local-aws", 7181), ("local-aws", 7182))}
    return want


@pytest.mark.parametrize(("name", "want"), [
    ("defaults", lambda: expected("ingress", forward=False, dev=False) | {("test", "web", 8080)}),
    ("minikube", lambda: expected("ingress", forward=True, dev=True) | {("test", "web", 8080)}),
    ("preview", lambda: expected("ingress", forward=True, dev=True) | {("test", "web", 8080)}),
    ("eks", lambda: expected("alb", forward=False, dev=False)),
    ("everything", lambda: expected("alb", forward=True, dev=False, grpc=True) | {("test", "web", 8080)}),
    ("volumes", lambda: expected("ingress", forward=True, dev=True) | {("test", "web", 8080), ("ingress", "local-aws", 7182)}),
])
def test_exactly_these_may_speak(name, want):
    assert pairs(chart.case(name)) == want()


def test_without_policies_everybody_could_speak():
    found = [it for it in chart.case("defaults") if it["kind"] != "NetworkPolicy"]
    assert ("stranger", "account", port_of("account", "internal")) in pairs(found)
    assert not chart.of_kind(chart.objects(*chart.EXTERNAL, "--set", "networkPolicy.enabled=false"), "NetworkPolicy")


@pytest.mark.parametrize("name", chart.CASES)
def test_every_pod_of_ours_has_a_policy_both_ways(name):
    found = chart.case(name)
    for pod, labels, _, _ in chart.pods(found):
        end = (None, labels, chart.NAMESPACE)
        assert policies_of(found, end, "Ingress"), pod
        assert policies_of(found, end, "Egress"), pod


STORE_PORTS = {"database": 5432, "redis": 6379, "kafka": 9096}


@pytest.mark.parametrize("service", chart.SERVICES)
def test_a_service_reaches_its_own_stores_and_no_other_address(service):
    found = chart.case("eks")
    ends = endpoints(found)
    for section, port in STORE_PORTS.items():
        assert allowed(found, ends[service], ends["store"], port) == (section in chart.defaults(service)), section
        assert not allowed(found, ends[service], WORLD, port)
    assert allowed(found, ends[service], WORLD, 443) == ("aws" in chart.defaults(service))
    assert not allowed(found, ends[service], WORLD, 80)


def test_a_sidecar_reaches_its_mesh():
    mesh = (None, {"app": "istiod"}, "istio-system")
    for name, want in (("everything", True), ("eks", False)):
        found = chart.case(name)
        assert allowed(found, endpoints(found)["message"], mesh, 15012) == want


def test_a_collector_of_traces_and_sentry_are_reached_if_they_are_named():
    for name, want in (("everything", True), ("eks", False)):
        found = chart.case(name)
        ends = endpoints(found)
        assert allowed(found, ends["message"], ends["store"], 4317) == want
        # It calls nobody else in the world.
        assert allowed(found, ends["conversation"], WORLD, 443) == want


def test_the_account_service_alone_reaches_the_mail_server():
    for name, want in (("everything", True), ("eks", False)):
        found = chart.case(name)
        ends = endpoints(found)
        assert allowed(found, ends["account"], WORLD, 587) == want
        assert not allowed(found, ends["message"], WORLD, 587)
