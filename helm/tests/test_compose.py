"""docker/compose.yaml: valid for the Compose specification, and what it tells the services is what they understand."""

import re
import subprocess

import compose_spec
import pytest
import yaml

import chart

FILE = chart.ROOT / "docker" / "compose.yaml"
# With the variables' defaults, as compose reads it before it parses.
TEXT = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text())
SERVICES = yaml.safe_load(TEXT)["services"]
OURS = {name: it for name, it in SERVICES.items() if it["image"].startswith("docker.io/parlance/")}


def checked(text):
    """Parsed by the types of the specification, with `<<` applied."""
    options = compose_spec.PyOptions()
    options.apply_merge = True
    compose = options.from_yaml(text)
    compose.validate()
    return compose


def service_of(name):
    return name.removesuffix("-migrate")


def test_it_is_valid_for_the_specification():
    assert set(checked(TEXT).service_names()) == set(SERVICES)


@pytest.mark.parametrize(("right", "wrong"), [
    ("restart: unless-stopped", "restart: sometimes"),
    ("read_only: true", "read_only: maybe"),
    ("condition: service_healthy", "condition: service_fine"),
    ("stop_grace_period: 35s", "stop_grace_period: soon"),
    ("test: [CMD, redis-cli, ping]", "tests: [CMD, redis-cli, ping]"),
    ("cap_drop: [ALL]", "cap_drops: [ALL]"),
])
def test_what_is_wrong_is_found(right, wrong):
    assert right in TEXT
    with pytest.raises((ValueError, TypeError)):
        checked(TEXT.replace(right, wrong))


def test_what_is_named_is_there():
    volumes = set(yaml.safe_load(TEXT)["volumes"])
    for name, it in SERVICES.items():
        assert set(it.get("depends_on", {})) <= set(SERVICES), name
        for volume in it.get("volumes", []):
            source = volume.partition(":")[0]
            made = source == "./keys" or (FILE.parent / source).exists()
            assert made if source.startswith("./") else source in volumes, name


def test_the_whole_suite_is_in_it():
    images = {re.search(r"parlance/([a-z-]+):", it["image"])[1] for it in OURS.values()}
    assert images == {*chart.SERVICES, "web", "local-aws"}
    servers = {name: it["image"] for name, it in SERVICES.items() if name not in OURS}
    minikube = yaml.safe_load((chart.CHART / "values.yaml").read_text())["devServers"]["images"]
    assert servers == {name: minikube[name] for name in ("kafka", "redis", "postgres")}


@pytest.mark.parametrize("name", [name for name in OURS if service_of(name) in chart.SERVICES])
def test_every_variable_is_a_setting_of_its_service(name):
    service = service_of(name)
    prefix = f"{service.upper().replace('-', '_')}__"
    known = {it.replace("-", "_") for it in chart.settings(service)}
    told = {it.removeprefix(prefix).lower().replace("__", ".") for it in OURS[name]["environment"] if not it.startswith("AWS_")}
    assert len(told) >= 10
    assert not {it for it in told if it not in known and it.removesuffix("_file") not in known}


def test_the_web_server_is_told_what_it_understands():
    known = set(re.findall(r"^([a-z0-9_-]+) = ", (chart.ROOT / "crates" / "web" / "config.default.toml").read_text(), re.M))
    for variable, value in SERVICES["web"]["environment"].items():
        assert variable.rpartition("__")[2].lower().replace("_", "-") in {it.replace("_", "-") for it in known}
        if "UPSTREAMS" in variable:
            host, _, port = value.partition(":")
            assert chart.defaults(host)["listen"]["http"].endswith(f":{port}")


def test_addresses_are_those_of_services_that_are_there():
    for it in OURS.values():
        for value in it.get("environment", {}).values():
            for host in re.findall(r"(?:://(?:[a-z]+@)?|^)([a-z-]+):[0-9]+", value):
                assert host in SERVICES or host == "localhost", value


def test_everybody_is_told_the_same_of_the_topics():
    for key in ("LOG_PARTITIONS", "DELIVERIES_PARTITIONS", "MESSAGE_PARTITION_BASE"):
        told = {value for it in OURS.values() for name, value in it.get("environment", {}).items() if name.endswith(f"__KAFKA__{key}")}
        defaults = {str(chart.defaults("account")["kafka"][key.lower()])}
        assert told == defaults, key


def test_whoever_can_be_asked_is_asked_whether_it_is_healthy():
    for name, it in SERVICES.items():
        if not name.endswith("-migrate") and name != "local-aws":
            assert it["healthcheck"]["test"][0] == "CMD", name


def test_nothing_of_ours_may_write_to_its_root_or_gain_rights():
    for name, it in OURS.items():
        assert it["read_only"] is True, name
        assert it["cap_drop"] == ["ALL"], name


def test_keys_that_are_named_are_made(tmp_path):
    script = (chart.ROOT / "docker" / "make-keys").read_text()
    (tmp_path / "make-keys").write_text(script)
    subprocess.run(["bash", tmp_path / "make-keys"], check=True, capture_output=True)
    made = {it.name for it in (tmp_path / "keys").iterdir()}
    named = {value.removeprefix("/keys/") for it in OURS.values() for value in it.get("environment", {}).values() if value.startswith("/keys/")}
    assert named <= made
    before = {it.name: it.read_bytes() for it in (tmp_path / "keys").iterdir()}
    subprocess.run(["bash", tmp_path / "make-keys"], check=True, capture_output=True)
    assert before == {it.name: it.read_bytes() for it in (tmp_path / "keys").iterdir()}


def test_the_dockerfile_makes_every_image():
    text = (chart.ROOT / "docker" / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM base AS ([a-z-]+)$", text, re.M))
    source = (chart.ROOT / "crates" / "xtask" / "src" / "images.rs").read_text()
    assert stages == set(re.findall(r'Image::service\(\s*"([a-z-]+)"', source))
    for stage in stages - {"cli"}:
        assert f'ENTRYPOINT ["/{stage}"]' in text
