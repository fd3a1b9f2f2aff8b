"""Renders the chart, and finds things in what was rendered."""

import functools
import os
import pathlib
import re
import subprocess
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "parlance"
HELM = os.environ.get("HELM", "helm")
KUBERNETES = ["1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
NAMESPACE = "chat"

SERVICES = ["account", "conversation", "message", "chat-gateway", "file-upload"]
# Values that a service has by another name.
KEYS = {"account": "account", "conversation": "conversation", "message": "message",
        "chat-gateway": "chatGateway", "file-upload": "fileUpload"}

EXTERNAL = ["--set", "kafka.brokers=kafka-1:9092"]
EVERYTHING = [
    "--values", str(CHART / "values-eks.yaml"), "--set", "ingress.grpcHost=grpc.example.org",
    "--set", "istio.enabled=true", "--set", "canary.enabled=true", "--set", "canary.tag=0.2.0",
    "--set", "telemetry.otlpEndpoint=http://collector:4317", "--set", "networkPolicy.stores.otlp.cidrs={10.0.0.0/16}",
    "--set", "telemetry.sentryDsn=https://key@sentry.example.org/1", "--set", "networkPolicy.stores.sentry.cidrs={0.0.0.0/0}",
    "--set", "account.mail.enabled=true", "--set", "account.mail.from=Chat <no-reply@example.org>",
    "--set", "networkPolicy.stores.mail.cidrs={0.0.0.0/0}",
    "--set", "web.forward=true", "--set", "test.server=", "--set", "gatewayApi.enabled=true",
]
OWN_SECRETS = [
    *EXTERNAL, "--set", "secrets.create=true", "--set", "redis.url=redis://r:6379",
    "--set", "account.databaseUrl=postgres://a", "--set", "conversation.databaseUrl=postgres://c",
    "--set", "fileUpload.databaseUrl=postgres://f", "--set", "aws.accessKeyId=key",
    "--set", "aws.secretAccessKey=secret",
]
AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
BY_TLS = [
    "--set", "kafka.security=sasl_tls,kafka.username=parlance,kafka.password=hidden",
    "--set", f"kafka.ca={AUTHORITY},redis.ca={AUTHORITY},redis.url=rediss://:hidden@r:6379",
]
MAIL = [
    "--set", "account.mail.enabled=true", "--set", "account.mail.smtpUrl=smtps://mail",
    "--set", "account.mail.from=a@example.org", "--set", "frontendUrl=https://chat.example.org",
]
# What is rendered, by name: arguments of `helm template`.
CASES = {
    "defaults": EXTERNAL,
    "minikube": ["--values", str(CHART / "values-minikube.yaml")],
    "eks": ["--values", str(CHART / "values-eks.yaml")],
    "preview": ["--values", str(CHART / "values-preview.yaml")],
    "everything": EVERYTHING,
    "own-secrets": [*OWN_SECRETS, *MAIL],
    "by-tls": [*OWN_SECRETS, *BY_TLS],
    "no-web": [*EXTERNAL, "--set", "web.enabled=false", "--set", "test.server=https://chat.test",
               "--set", "ingress.enabled=true", "--set", "ingress.host=chat.test"],
    "volumes": ["--values", str(CHART / "values-minikube.yaml"), "--set", "devServers.persistence.enabled=true",
                "--set", "ingress.enabled=true", "--set", "ingress.host=chat.test", "--set", "ingress.filesHost=files.test"],
}


def helm(*arguments):
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


@functools.cache
def text(*arguments, kubernetes="1.34", of=CHART):
    done = helm("template", "parlance", str(of), "--namespace", NAMESPACE,
                "--kube-version", f"{kubernetes}.0", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def objects(*arguments, of=CHART):
    return [it for it in yaml.safe_load_all(text(*arguments, of=of)) if it]


def case(name):
    return objects(*CASES[name])


def refusal(*arguments):
    """Why values are refused."""
    done = helm("template", "parlance", str(CHART), "--kube-version", "1.34.0", *arguments)
    assert done.returncode != 0, "the values were taken"
    return done.stderr


def one(found, kind, name):
    return next(it for it in found if it["kind"] == kind and it["metadata"]["name"] == name)


def of_kind(found, *kinds):
    return [it for it in found if it["kind"] in kinds]


def component(it):
    return it["metadata"]["labels"]["app.kubernetes.io/component"]


def pods(found):
    """(name, labels, spec, owner) of everything that runs."""
    for it in found:
        if it["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = it["spec"]["template"]
            yield it["metadata"]["name"], template["metadata"]["labels"], template["spec"], it
        elif it["kind"] == "Pod":
            yield it["metadata"]["name"], it["metadata"]["labels"], it["spec"], it


def service_pods(found):
    return [(name, labels, spec, owner) for name, labels, spec, owner in pods(found)
            if labels["app.kubernetes.io/component"] in SERVICES]


def defaults_file(service):
    inside = ROOT / "services" / service / "src" / "config.default.toml"
    return inside if inside.exists() else ROOT / "services" / service / "config.default.toml"


def defaults(service):
    return tomllib.loads(defaults_file(service).read_text())


@functools.cache
def settings(service):
    """Every setting of a service as `section.key`, those without a default (`# key = …`) too."""
    known, section = set(), ""
    for line in defaults_file(service).read_text().splitlines():
        if header := re.match(r"\[([a-z._-]+)\]", line):
            section = header[1]
        elif key := re.match(r'(?:# )?"?([a-z0-9_-]+)"? = ', line):
            known.add(f"{section}.{key[1]}")
    return known


def environment(found, owner, container):
    """What a container's environment says, with its ConfigMap read in."""
    variables = {}
    for source in container.get("envFrom", []):
        variables |= one(found, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", []):
        variables[variable["name"]] = variable.get("value", variable.get("valueFrom"))
    return variables
