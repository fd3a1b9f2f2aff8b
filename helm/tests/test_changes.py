"""What an upgrade restarts, how a pod stops, and what is refused."""

import pytest

import chart


def checksums(*arguments):
    return {name: owner["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for name, labels, _, owner in chart.pods(chart.objects(*arguments))
            if labels["app.kubernetes.io/component"] in [*chart.SERVICES, "web"] and owner["kind"] != "Job"}


@pytest.mark.parametrize(("change", "restarted"), [
    ("message.config.message\\.session_timeout_ms=9000", {"parlance-message"}),
    ("account.signUpOnFirstUse=true", {"parlance-account"}),
    ("aws.bucket=other-bucket", {"parlance-file-upload", "parlance-web"}),
    ("kafka.brokers=kafka-2:9092", {"parlance-account", "parlance-conversation", "parlance-message", "parlance-chat-gateway"}),
    ("telemetry.filter=debug", {f"parlance-{service}" for service in chart.SERVICES}),
    ("message.replicas=3", set()),
])
def test_who_is_told_something_else_is_restarted(change, restarted):
    before = checksums(*chart.EXTERNAL)
    after = checksums(*chart.EXTERNAL, "--set-string" if ".config." in change else "--set", change)
    assert {name for name in before if before[name] != after[name]} == restarted


def test_a_new_url_of_a_database_restarts_its_service():
    def of(url):
        arguments = ["--set", f"account.databaseUrl={url}"]
        found = chart.objects(*chart.CASES["own-secrets"], *arguments)
        return {name: owner["spec"]["template"]["metadata"]["annotations"]["checksum/secret"]
                for name, _, _, owner in chart.service_pods(found)}
    before, after = of("postgres://a"), of("postgres://b")
    assert {name for name in before if before[name] != after[name]} == {"parlance-account"}


@pytest.mark.parametrize("name", ["defaults", "minikube", "eks", "preview", "everything"])
def test_the_grace_is_the_pause_and_the_drain_and_five_seconds(name):
    found = chart.case(name)
    for pod, labels, spec, owner in chart.pods(found):
        service = labels["app.kubernetes.io/component"]
        if owner["kind"] == "Job" or service not in [*chart.SERVICES, "web"]:
            continue
        container = spec["containers"][0]
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        data = chart.one(found, "ConfigMap", f"parlance-{service}")["data"]
        drain_ms = int(next(value for key, value in data.items() if key.endswith("__SHUTDOWN__GRACE_MS")))
        assert spec["terminationGracePeriodSeconds"] == pause + drain_ms // 1000 + 5, pod
        # The service is taken out of the endpoints before it stops to listen.
        assert pause >= 3


@pytest.mark.parametrize("name", ["defaults", "minikube", "eks", "preview"])
def test_a_gateway_sends_its_sockets_away_within_its_grace(name):
    data = chart.one(chart.case(name), "ConfigMap", "parlance-chat-gateway")["data"]
    # Behind the drain: last words of sockets, leases, records; 4 s each (services/chat-gateway/src/drain.rs).
    assert int(data["CHAT_GATEWAY__GATEWAY__DRAIN_MS"]) + 12_000 <= int(data["CHAT_GATEWAY__SHUTDOWN__GRACE_MS"])


def test_an_alb_waits_for_the_gateway():
    found = chart.case("eks")
    socket = chart.one(found, "Ingress", "parlance-socket")["metadata"]["annotations"]
    grace = chart.one(found, "StatefulSet", "parlance-chat-gateway")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert socket["alb.ingress.kubernetes.io/target-group-attributes"] == f"deregistration_delay.timeout_seconds={grace - 5}"
    assert "idle_timeout.timeout_seconds=120" in socket["alb.ingress.kubernetes.io/load-balancer-attributes"]


def test_nginx_keeps_sockets_open():
    annotations = chart.one(chart.case("preview"), "Ingress", "parlance-socket")["metadata"]["annotations"]
    for side in ("read", "send"):
        assert annotations[f"nginx.ingress.kubernetes.io/proxy-{side}-timeout"] == "3600"


def test_a_rollout_takes_nobody_out_before_another_is_there():
    for deployment in chart.of_kind(chart.case("defaults"), "Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_an_upgrade_leaves_the_development_servers_alone():
    def templates(version):
        found = chart.objects(*chart.CASES["minikube"], "--set", f"image.tag=v{version}")
        return {it["metadata"]["name"]: it["spec"]["template"] for it in chart.of_kind(found, "StatefulSet")
                if chart.component(it) in ("kafka", "redis", "postgres", "local-aws")}
    before = templates("1")
    assert len(before) == 4
    assert before == templates("2")


MINIKUBE = chart.CASES["minikube"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--set", "chatGateway.repicas=2"], "chatGateway: Additional property repicas is not allowed"),
    (["--set", "chatGateway.replicas=two"], "chatGateway.replicas: Invalid type. Expected: integer, given: string"),
    (["--set", "message.replicas=0"], "message.replicas: Must be greater than or equal to 1"),
    (["--set", "telemetry.sampleRatio=2"], "telemetry.sampleRatio: Must be less than or equal to 1"),
    (["--set", "image.pullPolicy=Sometimes"], "image.pullPolicy: image.pullPolicy must be one of the following"),
    (["--set", "frontendUrl=chat.example.org"], "frontendUrl: Does not match pattern"),
    (["--set", "frontendUrl=https://chat.example.org/path"], "frontendUrl: Does not match pattern"),
    (["--set", "kafka.brokers=kafka-1"], "kafka.brokers: Does not match pattern"),
    (["--set", "migrations.mode=never"], "migrations.mode: migrations.mode must be one of the following"),
    (["--set", "ingress.provider=traefik"], "ingress.provider: ingress.provider must be one of the following"),
    (["--set", "networkPolicy.stores.kafka.cidrs={everywhere}"], "networkPolicy.stores.kafka.cidrs.0: Does not match pattern"),
    (["--set", "account.trustedProxies={ingress-nginx}"], "account.trustedProxies.0: Does not match pattern"),
    (["--set", "account.config.limits=5"], "account.config: Additional property limits is not allowed"),
    (["--set", "unknown=1"], "(root): Additional property unknown is not allowed"),
    (["--set", "kafka.messagePartitionBase=64"], "kafka.messagePartitionBase (64) must be below kafka.deliveriesPartitions (64)"),
    (["--set", "chatGateway.autoscaling.maxReplicas=33"], "chatGateway.autoscaling.maxReplicas (33) is more than the 32 partitions"),
    (["--set", "message.autoscaling.enabled=false,message.replicas=33"], "message.replicas (33) is more than the 32 partitions"),
    (["--set", "message.replicas=17"], "message.replicas (17) is more than message.autoscaling.maxReplicas (16)"),
    (["--set", "kafka.logPartitions=1"], "message.replicas (2) is more than kafka.logPartitions (1)"),
    (["--set", "chatGateway.drainSeconds=20"], "chatGateway.drainSeconds (20) leaves less than 12 s of chatGateway.shutdownGraceSeconds (30)"),
    (["--set", "kafka.minInsyncReplicas=4"], "kafka.minInsyncReplicas is more than kafka.replicationFactor"),
    (["--set", "kafka.brokers="], "kafka.brokers is needed"),
    (["--set", "secrets.create=true"], "redis.url is needed"),
    (["--set", "kafka.security=ssl"], "kafka.security: kafka.security must be one of the following"),
    (["--set", "kafka.ca=mine"], "kafka.ca: Does not match pattern"),
    (["--set", "kafka.security=sasl_tls"], "kafka.username is needed"),
    (["--set", "kafka.password=p"], "kafka.ca, kafka.username and kafka.password are for TLS"),
    (["--set", "kafka.security=sasl_tls,kafka.username=u,secrets.create=true,redis.url=redis://r"], "kafka.password is needed"),
    (["--set", "secrets.create=true,redis.url=redis://r"], "account.databaseUrl is needed"),
    ([*MINIKUBE, "--set", "migrations.mode=hook"], "migrations.mode must be `job`"),
    ([*MINIKUBE, "--set", "secrets.create=false"], "secrets.create must be true"),
    ([*MINIKUBE, "--set", "kafka.security=tls"], "kafka.security must be `plaintext`"),
    ([*MINIKUBE, "--set", "aws.accessKeyId="], "aws.accessKeyId and aws.secretAccessKey are needed"),
    ([*MINIKUBE, "--set", "account.existingSecret=mine"], "account.existingSecret and secrets.create exclude each other"),
    ([*MINIKUBE, "--set", "secrets.signingSecret=mine"], "secrets.signingSecret and secrets.identitiesConfigMap"),
    (["--set", "ingress.enabled=true"], "ingress.host is needed"),
    (["--set", "ingress.filesHost=f.example.org"], "ingress.filesHost is for the S3 of devServers"),
    (["--set", "canary.enabled=true"], "canary.tag is needed"),
    (["--set", "canary.enabled=true,canary.tag=v2,canary.replicas=3"], "canary.replicas (3) is more than"),
    (["--set", "message.config.kafka\\.brokers=x"], "message.config: the chart sets `kafka.brokers` itself"),
])
def test_a_wrong_value_is_refused_by_its_name(arguments, message):
    assert message in chart.refusal(*chart.EXTERNAL, *arguments)


def test_every_value_has_a_description_and_a_default_that_the_schema_knows():
    import json
    import yaml
    schema = json.loads((chart.CHART / "values.schema.json").read_text())
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())

    def walk(at, value, path):
        assert at.get("description"), path
        if "properties" not in at:
            return
        assert at["additionalProperties"] is False, path
        assert set(at["properties"]) == set(value), path
        for key, inner in at["properties"].items():
            walk(inner, value[key], f"{path}.{key}")

    del schema["properties"]["global"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(values)
    for key, inner in schema["properties"].items():
        walk(inner, values[key], key)
