import pytest

import chart


def containers(spec):
    return spec["containers"] + spec.get("initContainers", [])


@pytest.mark.parametrize("name", chart.CASES)
def test_pods_keep_the_restricted_standard(name):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    for pod, _, spec, _ in chart.pods(chart.case(name)):
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, pod
        assert security["runAsUser"] > 0, pod
        assert security["seccompProfile"]["type"] == "RuntimeDefault", pod
        for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
            assert forbidden not in spec, pod
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"configMap", "secret", "emptyDir"}, pod
        for container in containers(spec):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, pod
            assert own["capabilities"] == {"drop": ["ALL"]}, pod
            assert not {"privileged", "runAsUser", "runAsNonRoot"} & set(own), pod
            assert not any("hostPort" in port for port in container.get("ports", [])), pod


@pytest.mark.parametrize("name", chart.CASES)
def test_no_root_file_system_is_writable(name):
    for pod, _, spec, _ in chart.pods(chart.case(name)):
        for container in containers(spec):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod


@pytest.mark.parametrize("name", chart.CASES)
def test_our_pods_run_as_nobody_of_the_node(name):
    for pod, labels, spec, _ in chart.pods(chart.case(name)):
        if labels["app.kubernetes.io/component"] not in ("kafka", "redis", "postgres"):
            assert spec["securityContext"]["runAsUser"] > 10000, pod


@pytest.mark.parametrize("name", chart.CASES)
def test_no_pod_can_speak_to_the_api_of_kubernetes(name):
    for pod, _, spec, _ in chart.pods(chart.case(name)):
        assert spec["automountServiceAccountToken"] is False, pod
    for account in chart.of_kind(chart.case(name), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not chart.of_kind(chart.case(name), "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@pytest.mark.parametrize("name", chart.CASES)
def test_memory_is_limited_and_what_is_needed_is_requested(name):
    for pod, _, spec, _ in chart.pods(chart.case(name)):
        for container in containers(spec):
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, pod
            assert "memory" in resources["limits"], pod


@pytest.mark.parametrize("name", chart.CASES)
def test_images_have_a_version(name):
    for pod, _, spec, _ in chart.pods(chart.case(name)):
        for container in containers(spec):
            tag = container["image"].rsplit("/", 1)[1].partition(":")[2]
            assert tag and tag != "latest", pod


@pytest.mark.parametrize("name", ["defaults", "eks", "everything"])
def test_no_secret_is_in_the_release_where_secrets_exist(name):
    assert not chart.of_kind(chart.case(name), "Secret")


@pytest.mark.parametrize("name", chart.CASES)
def test_no_secret_is_in_a_config_map_or_an_environment(name):
    found = chart.case(name)
    secrets = {value for secret in chart.of_kind(found, "Secret") for value in secret["stringData"].values()}
    for _, _, spec, owner in chart.pods(found):
        for container in containers(spec):
            for value in chart.environment(found, owner, container).values():
                assert not isinstance(value, str) or value == "" or value not in secrets


@pytest.mark.parametrize("name", ["defaults", "eks", "everything"])
def test_a_service_mounts_its_own_private_key_only(name):
    for _, labels, spec, _ in chart.service_pods(chart.case(name)):
        service = labels["app.kubernetes.io/component"]
        mounted = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        allowed = {f"parlance-{service}"} | ({"parlance-account-signing"} if service == "account" else set())
        assert mounted == allowed


@pytest.mark.parametrize("name", ["defaults", "eks", "everything"])
def test_reflection_and_metrics_are_not_public(name):
    found = chart.case(name)
    for _, _, spec, owner in chart.service_pods(found):
        variables = chart.environment(found, owner, spec["containers"][0])
        assert [value for key, value in variables.items() if key.endswith("LISTEN__GRPC_REFLECTION")] == ["false"]
    for ingress in chart.of_kind(found, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"]["port"]["name"] in ("http", "grpc")
