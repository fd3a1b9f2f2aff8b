"""What the chart tells the services is what they understand, and what they need."""

import re
import subprocess

import pytest
import yaml

import chart

CASES = ["defaults", "minikube", "eks", "preview", "everything"]
SERVICES_AND_CASES = [(case, service) for case in CASES for service in chart.SERVICES]


def setting_of(variable, service):
    prefix = f"{service.upper().replace('-', '_')}__"
    if not variable.startswith(prefix):
        return None
    return variable.removeprefix(prefix).lower().replace("__", ".")


def is_known(setting, service):
    known = {it.replace("-", "_") for it in chart.settings(service)}
    return setting in known or setting.removesuffix("_file") in known


def environments(case, service):
    found = chart.case(case)
    for _, labels, spec, owner in chart.pods(found):
        for container in spec["containers"]:
            if container["image"].rsplit("/", 1)[1].startswith((f"{service}:", f"{service}@")):
                yield owner, container, chart.environment(found, owner, container)


@pytest.mark.parametrize(("case", "service"), SERVICES_AND_CASES)
def test_every_variable_is_a_setting_of_the_service(case, service):
    met = 0
    for _, _, variables in environments(case, service):
        for variable in variables:
            setting = setting_of(variable, service)
            if setting is None:
                assert variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"), variable
            else:
                assert is_known(setting, service), f"{variable}: not in {chart.defaults_file(service)}"
                met += 1
    assert met > 10


def test_a_variable_that_is_no_setting_would_be_found():
    assert not is_known("kafka.broker", "message")
    assert is_known("kafka.brokers", "message")
    assert is_known("redis.url_file", "message")
    assert is_known("aws.s3_endpoint", "file-upload")


@pytest.mark.parametrize("service", chart.SERVICES)
def test_values_have_the_type_of_the_setting(service):
    for _, _, variables in environments("eks", service):
        for variable, value in variables.items():
            setting = setting_of(variable, service)
            if setting is None or not isinstance(value, str):
                continue
            at = chart.defaults(service)
            for part in setting.split("."):
                at = at.get(part, {}) if isinstance(at, dict) else at
            if isinstance(at, bool):
                assert value in ("true", "false"), variable
            elif isinstance(at, int):
                assert re.fullmatch(r"[0-9]+", value), variable
            elif isinstance(at, float):
                assert float(value) >= 0, variable


@pytest.mark.parametrize("service", chart.SERVICES)
def test_ports_are_those_that_the_service_is_told(service):
    listen = {kind: int(address.rpartition(":")[2]) for kind, address in chart.defaults(service)["listen"].items()
              if isinstance(address, str)}
    for owner, container, variables in environments("eks", service):
        if owner["kind"] == "Job":
            continue
        told = {setting_of(key, service).removeprefix("listen."): int(value.rpartition(":")[2])
                for key, value in variables.items()
                if setting_of(key, service).startswith("listen.") and ":" in value}
        opened = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert told == listen
        assert opened == {"http": listen["http"], "grpc": listen["grpc"], "grpc-internal": listen["internal"], "http-ops": listen["ops"]}
        assert container["startupProbe"]["grpc"]["port"] == listen["grpc"]
        for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
            assert container[probe]["httpGet"] == {"path": path, "port": "http-ops"}
        assert all(value.startswith("0.0.0.0:") for key, value in variables.items() if "__LISTEN__" in key and ":" in value)


def test_the_probes_are_what_the_services_serve():
    source = (chart.ROOT / "crates" / "serving" / "src" / "ops.rs").read_text()
    for path in ("/metrics", "/livez", "/readyz"):
        assert f'route("{path}"' in source


@pytest.mark.parametrize("service", chart.SERVICES)
def test_peers_are_called_where_they_listen_and_trust_the_caller(service):
    for owner, _, variables in environments("eks", service):
        if owner["kind"] == "Job":
            continue
        prefix = service.upper().replace("-", "_")
        told = {key.removeprefix(f"{prefix}__PEERS__").lower().replace("_", "-"): value
                for key, value in variables.items() if "__PEERS__" in key}
        peers = chart.defaults(service).get("peers", {})
        assert told == {peer: f"http://parlance-{peer}:{chart.defaults(peer)['listen']['internal'].rpartition(':')[2]}" for peer in peers}
        assert (f"{prefix}__IDENTITY__SIGNING_KEY_FILE" in variables) == bool(peers)
        for peer in peers:
            for _, container, of_peer in environments("eks", peer):
                if "envFrom" in container:
                    trusted = f"{peer.upper().replace('-', '_')}__IDENTITY__TRUSTED__{prefix}"
                    assert of_peer[trusted] == f"/etc/parlance/identities/{service}.pub.pem"


@pytest.mark.parametrize("service", chart.SERVICES)
def test_only_callers_are_trusted(service):
    callers = {other for other in chart.SERVICES if service in chart.defaults(other).get("peers", {})}
    for _, container, variables in environments("eks", service):
        if "envFrom" in container:
            trusted = {key.rpartition("__TRUSTED__")[2].lower().replace("_", "-") for key in variables if "__TRUSTED__" in key}
            assert trusted == callers


@pytest.mark.parametrize("case", CASES)
def test_files_that_settings_name_are_mounted_from_secrets_that_have_them(case):
    """Against what the chart makes, or else what scripts/make-secrets does."""
    found = chart.case(case)
    script = subprocess.run([chart.ROOT / "scripts" / "make-secrets", "--sample"], capture_output=True, text=True, check=True)
    made = [it for it in yaml.safe_load_all(script.stdout) if it]
    content = {}
    for it in made + chart.of_kind(found, "Secret", "ConfigMap"):
        content[it["kind"], it["metadata"]["name"]] = {**it.get("data", {}), **it.get("stringData", {})}
    for pod, _, spec, owner in chart.pods(found):
        volumes = {}
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                volumes[volume["name"]] = set(content["Secret", volume["secret"]["secretName"]])
            elif "configMap" in volume:
                volumes[volume["name"]] = set(content["ConfigMap", volume["configMap"]["name"]])
            else:
                volumes[volume["name"]] = None
        for container in spec["containers"]:
            mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", [])}
            for variable, value in chart.environment(found, owner, container).items():
                if isinstance(value, str) and value.startswith("/etc/parlance/") and not variable.endswith("_DIR"):
                    folder, _, file = value.rpartition("/")
                    assert file in mounts[folder], f"{pod}: {variable}={value}"
                if isinstance(value, dict) and "secretKeyRef" in value and case != "eks":
                    reference = value["secretKeyRef"]
                    assert reference["key"] in content["Secret", reference["name"]]
            if container["name"] == "account":
                assert {"refresh.secret", "0000000000001-first.key.pem"} <= mounts["/etc/parlance/signing"]


def test_pods_of_a_stateful_set_know_their_ordinal():
    for service, variable in (("message", "MESSAGE__MESSAGE__ORDINAL"), ("chat-gateway", "CHAT_GATEWAY__GATEWAY__ORDINAL")):
        for _, container, variables in environments("eks", service):
            if "envFrom" in container:
                assert variables[variable] == {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}


@pytest.mark.parametrize("case", CASES)
def test_pods_are_never_more_than_their_partitions(case):
    found = chart.case(case)
    for service in ("message", "chat-gateway"):
        data = chart.one(found, "ConfigMap", f"parlance-{service}")["data"]
        prefix = service.upper().replace("-", "_")
        base, all_of_them = (int(data[f"{prefix}__KAFKA__{it}"]) for it in ("MESSAGE_PARTITION_BASE", "DELIVERIES_PARTITIONS"))
        room = base if service == "chat-gateway" else all_of_them - base
        scalers = [it for it in chart.of_kind(found, "HorizontalPodAutoscaler") if it["metadata"]["name"] == f"parlance-{service}"]
        most = scalers[0]["spec"]["maxReplicas"] if scalers else chart.one(found, "StatefulSet", f"parlance-{service}")["spec"]["replicas"]
        assert most <= room


@pytest.mark.parametrize("case", CASES)
def test_everybody_is_told_the_same_of_the_topics(case):
    found = chart.case(case)
    for key in ("LOG_PARTITIONS", "DELIVERIES_PARTITIONS", "MESSAGE_PARTITION_BASE", "BROKERS"):
        told = {value for service in ("account", "conversation", "message", "chat-gateway")
                for name, value in chart.one(found, "ConfigMap", f"parlance-{service}")["data"].items()
                if name.endswith(f"__KAFKA__{key}")}
        assert len(told) == 1, key
    # Whoever makes topics knows how many copies they have.
    for service in ("conversation", "message"):
        for owner, _, variables in environments(case, service):
            if owner["kind"] == "Job":
                assert f"{service.upper()}__KAFKA__REPLICATION_FACTOR" in variables


def test_links_in_mails_lead_to_where_people_are():
    for case, url in (("eks", "https://chat.example.org"), ("minikube", "http://localhost:8080")):
        for owner, _, variables in environments(case, "account"):
            if owner["kind"] != "Job":
                assert variables["ACCOUNT__ACCOUNTS__PUBLIC_URL"] == url


def test_mails_are_sent_where_the_values_say_so():
    for case, want in (("everything", True), ("eks", False)):
        for owner, _, variables in environments(case, "account"):
            if owner["kind"] != "Job":
                assert ("ACCOUNT__MAIL__SMTP_URL_FILE" in variables) == want
                assert ("ACCOUNT__MAIL__FROM" in variables) == want


def test_the_routes_are_those_of_the_reverse_proxy():
    source = (chart.ROOT / "crates" / "web" / "src" / "forward.rs").read_text()
    table = re.findall(r'"(/[a-z/]+)",\s+Traffic::\w+,\s+"([a-z-]+)"', source)
    assert len(table) == 7
    # Of the conversation service: one of its short addresses that is no page.
    table.append(("/chat/users", "conversation"))
    found = chart.case("eks")
    routed = {path["path"]: path["backend"]["service"]["name"].removeprefix("parlance-")
              for ingress in chart.of_kind(found, "Ingress") for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    assert routed == dict(table) | {"/": "web"}
    everything = chart.case("everything")
    by_gateway, by_mesh = {}, {}
    for rule in chart.one(everything, "HTTPRoute", "parlance")["spec"]["rules"]:
        target = rule["backendRefs"][0]
        by_gateway[rule["matches"][0]["path"]["value"]] = target["name"].removeprefix("parlance-")
        service = chart.one(everything, "Service", target["name"])
        assert target["port"] in {port["port"] for port in service["spec"]["ports"]}
    assert by_gateway == routed
    for rule in chart.one(everything, "VirtualService", "parlance")["spec"]["http"]:
        target = rule["route"][0]["destination"]
        for match in rule.get("match", [{"uri": {"prefix": "/"}}]):
            by_mesh[match["uri"]["prefix"]] = target["host"].removeprefix("parlance-")
        service = chart.one(everything, "Service", target["host"])
        assert target["port"]["number"] in {port["port"] for port in service["spec"]["ports"]}
    assert by_mesh == routed


def test_the_web_server_hands_on_the_short_addresses_of_groups():
    # `/` leads to it, so that `/group/{name}/connect` is a page and `/group/{name}` the service's.
    data = chart.one(chart.case("eks"), "ConfigMap", "parlance-web")["data"]
    port = chart.defaults("conversation")["listen"]["http"].rpartition(":")[2]
    assert {name: value for name, value in data.items() if "UPSTREAMS" in name} == {
        "WEB__UPSTREAMS__CONVERSATION": f"parlance-conversation:{port}"}
    # Without it there are no pages here.
    paths = {path["path"]: path["backend"]["service"]["name"]
             for ingress in chart.of_kind(chart.case("no-web"), "Ingress")
             for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    assert paths["/group"] == "parlance-conversation"
    assert "/" not in paths


def test_public_grpc_goes_to_the_services_that_the_protos_declare():
    found = chart.case("everything")
    rule = chart.one(found, "Ingress", "parlance-grpc")["spec"]["rules"][0]
    public = {path["path"].removeprefix("/") for path in rule["http"]["paths"]}
    declared = set()
    for proto in (chart.ROOT / "proto").glob("**/*.proto"):
        text = proto.read_text()
        package = re.search(r"^package (\S+);", text, re.M)[1]
        declared |= {f"{package}.{service}" for service in re.findall(r"^service (\w+)", text, re.M)}
    assert public == {it for it in declared if not it.endswith("InternalService")}


def test_the_front_end_may_call():
    found = chart.case("eks")
    for service in chart.SERVICES:
        data = chart.one(found, "ConfigMap", f"parlance-{service}")["data"]
        assert data[f"{service.upper().replace('-', '_')}__HTTP__CORS_ORIGINS"] == "https://chat.example.org"
    assert chart.one(found, "ConfigMap", "parlance-chat-gateway")["data"]["CHAT_GATEWAY__GATEWAY__ALLOWED_ORIGINS"] == "https://chat.example.org"
    assert chart.one(found, "ConfigMap", "parlance-account")["data"]["ACCOUNT__ACCOUNTS__SECURE_COOKIES"] == "true"
    local = chart.one(chart.case("minikube"), "ConfigMap", "parlance-account")["data"]
    assert local["ACCOUNT__ACCOUNTS__SECURE_COOKIES"] == "false"


def mounted(found, spec, container, path):
    """What a Secret of the release has in the place of a file."""
    for mount in container["volumeMounts"]:
        if path.startswith(mount["mountPath"] + "/"):
            volume = next(it for it in spec["volumes"] if it["name"] == mount["name"])["secret"]
            key = path.removeprefix(mount["mountPath"] + "/")
            if "items" in volume:
                key = next(it["key"] for it in volume["items"] if it["path"] == key)
            return chart.one(found, "Secret", volume["secretName"])["stringData"][key]
    return None


@pytest.mark.parametrize("service", chart.SERVICES)
def test_the_password_of_kafka_is_where_its_users_look(service):
    found = chart.case("by-tls")
    prefix = service.upper().replace("-", "_")
    met = set()
    for _, _, spec, owner in chart.pods(found):
        for container in spec["containers"]:
            if not container["image"].rsplit("/", 1)[1].startswith((f"{service}:", f"{service}@")):
                continue
            variables = chart.environment(found, owner, container)
            if f"{prefix}__KAFKA__BROKERS" not in variables:
                continue
            met.add(owner["kind"])
            assert variables[f"{prefix}__KAFKA__SECURITY"] == "sasl_tls"
            assert variables[f"{prefix}__KAFKA__USERNAME"] == "parlance"
            assert variables[f"{prefix}__KAFKA__CA"].startswith("-----BEGIN CERTIFICATE-----")
            path = variables[f"{prefix}__KAFKA__PASSWORD_FILE"]
            assert mounted(found, spec, container, path) == "hidden"
            assert not any("hidden" in str(value) for value in variables.values())
    if "kafka" not in chart.defaults(service):
        assert not met
    else:
        assert len(met) == (1 if service == "chat-gateway" else 2)


def test_without_tls_nothing_of_it_is_told():
    """An older version of a service, as in a canary, doesn't know these settings."""
    for name in ("defaults", "minikube"):
        for service in chart.SERVICES:
            for _, _, variables in environments(name, service):
                assert not [it for it in variables if "KAFKA__SECURITY" in it or "__CA" in it or "PASSWORD" in it]


def test_keys_that_the_chart_makes_are_pairs(tmp_path):
    found = chart.case("minikube")
    public = chart.one(found, "ConfigMap", "parlance-identities")["data"]
    callers = {service for service in chart.SERVICES if chart.defaults(service).get("peers")}
    assert set(public) == {f"{service}.pub.pem" for service in callers}
    for service in callers:
        private = tmp_path / service
        private.write_text(chart.one(found, "Secret", f"parlance-{service}")["stringData"]["identity.key.pem"])
        derived = subprocess.run(["openssl", "pkey", "-in", private, "-pubout"], capture_output=True, text=True, check=True).stdout
        assert derived.strip() == public[f"{service}.pub.pem"].strip()
    signing = chart.one(found, "Secret", "parlance-account-signing")["stringData"]
    # 32 bytes in base64 for URLs, without padding.
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", signing["refresh.secret"])
    assert "BEGIN PRIVATE KEY" in signing["0000000000001-first.key.pem"]


def test_keys_that_the_script_makes_are_pairs(tmp_path):
    urls = {name: "postgres://h/d" for name in ("ACCOUNT_DATABASE_URL", "CONVERSATION_DATABASE_URL", "FILE_UPLOAD_DATABASE_URL")}
    done = subprocess.run([chart.ROOT / "scripts" / "make-secrets", "--namespace", "chat", "--name", "mine"], check=True,
                          capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "REDIS_URL": 'redis://a:"b"@h', "KAFKA_PASSWORD": 'c"d', **urls})
    made = list(yaml.safe_load_all(done.stdout))
    assert all(it["metadata"]["namespace"] == "chat" and it["metadata"]["name"].startswith("mine-") for it in made)
    assert chart.one(made, "Secret", "mine-message")["stringData"]["redis-url"] == 'redis://a:"b"@h'
    for service in chart.SERVICES:
        password = chart.one(made, "Secret", f"mine-{service}")["stringData"].get("kafka-password")
        assert password == ('c"d' if "kafka" in chart.defaults(service) else None)
    public = chart.one(made, "ConfigMap", "mine-identities")["data"]
    for name, key in public.items():
        service = name.removesuffix(".pub.pem")
        (tmp_path / service).write_text(chart.one(made, "Secret", f"mine-{service}")["stringData"]["identity.key.pem"])
        derived = subprocess.run(["openssl", "pkey", "-in", tmp_path / service, "-pubout"], capture_output=True, text=True, check=True)
        assert derived.stdout == key
    secret = chart.one(made, "Secret", "mine-account-signing")["stringData"]["refresh.secret"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)


def test_the_script_says_what_it_lacks():
    done = subprocess.run([chart.ROOT / "scripts" / "make-secrets"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 2
    assert "ACCOUNT_DATABASE_URL" in done.stderr
