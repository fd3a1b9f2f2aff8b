import json
import re

import promql_parser
import pytest
import yaml

import chart

ALERTS = yaml.safe_load((chart.CHART / "alerts" / "alerts.yaml").read_text())["alerts"]
DASHBOARDS = sorted((chart.CHART / "dashboards").glob("*.json"))
RUNBOOKS = chart.ROOT / "docs" / "runbooks"
# Of kube-state-metrics and the kubelet.
CLUSTER = {"kube_pod_container_status_restarts_total", "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"}
FUNCTIONS = {
    "by", "without", "on", "ignoring", "group_left", "and", "or", "unless", "le", "bool", "offset",
}


def published():
    """Names of metrics in the source: texts given to the macros, or constants for them."""
    names = set()
    for folder in ("services", "crates"):
        for source in (chart.ROOT / folder).glob("*/src/**/*.rs"):
            names |= set(re.findall(r'"((?:account|conversation|message|gateway|file_upload|http|rpc|process|kafka|postgres|redis|parlance)_[a-z0-9_]+)"', source.read_text()))
    return names


def metrics_of(expression):
    text = re.sub(r'"[^"]*"', '""', expression)
    text = re.sub(r"\{[^}]*\}", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", text)
    text = re.sub(r"\$\w+", "", text)
    return {name for name, call in re.findall(r"\b([a-zA-Z_][a-zA-Z0-9_]*)\b(\s*\()?", text) if not call and name not in FUNCTIONS}


def is_published(metric, names):
    base = re.sub(r"_(bucket|count|sum)$", "", metric)
    return metric in names or metric in CLUSTER or base in names


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def test_the_extraction_finds_what_is_there():
    assert metrics_of('sum by (le) (rate(a_seconds_bucket{x="b"}[5m])) / clamp_min(sum(c_total), 1) > 2 and d == 1') == {"a_seconds_bucket", "c_total", "d"}
    assert not is_published("message_no_such_thing_total", published())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda it: it["alert"])
def test_an_alert_is_about_what_the_services_publish(alert):
    names = published()
    found = metrics_of(alert["expr"])
    assert found
    assert not {metric for metric in found if not is_published(metric, names)}


def understood(expression):
    """As Prometheus reads it, once Grafana has put its variables in."""
    return promql_parser.parse(expression.replace("$__rate_interval", "5m").replace("$namespace", "chat"))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda it: it["alert"])
def test_prometheus_understands_an_alert(alert):
    understood(alert["expr"])
    assert re.fullmatch(r"\d+[smh]", alert["for"])


def test_prometheus_would_not_understand_everything():
    for wrong in ("sum by (le) rate(a[5m])", "sum(a_total[5m])", "max(a) >"):
        with pytest.raises(ValueError):
            understood(wrong)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda it: it["alert"])
def test_an_alert_has_a_runbook_that_says_what_to_do(alert):
    page = (RUNBOOKS / f"{alert['alert']}.md").read_text()
    assert page.startswith(f"# {alert['alert']}\n{alert['summary']}\n\n```\n{alert['expr']}\n```\n")
    for heading in ("## What it means", "## Look", "## Do"):
        assert heading in page


def test_every_runbook_has_an_alert_and_is_in_the_list():
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in ALERTS}
    index = (RUNBOOKS / "README.md").read_text()
    for page in pages:
        assert f"({page}.md)" in index


def test_the_rule_of_prometheus_holds_all_alerts():
    rule = chart.one(chart.case("eks"), "PrometheusRule", "parlance")
    rules = rule["spec"]["groups"][0]["rules"]
    assert [it["alert"] for it in rules] == [alert["alert"] for alert in ALERTS]
    for it in rules:
        assert it["labels"]["severity"] in ("page", "ticket")
        assert it["annotations"]["runbook_url"] == f"docs/runbooks/{it['alert']}.md"


def labels_of(metric):
    """The labels that the source gives a metric where it is recorded."""
    found = set()
    for folder in ("services", "crates"):
        for source in (chart.ROOT / folder).glob("*/src/**/*.rs"):
            # A call ends with its statement.
            for call in re.findall(rf'(?<!describe_)(?:counter|gauge|histogram)!\(\s*"{metric}",([^;]*);', source.read_text()):
                found |= set(re.findall(r'"(\w+)"\s*=>', call))
    return found


@pytest.mark.parametrize(("metric", "labels"), [
    ("message_log_lag_records", {"partition"}),
    ("message_log_oldest_seconds", {"partition"}),
    ("rpc_client_duration_seconds", {"service", "peer", "method", "code"}),
    ("rpc_server_duration_seconds", {"service", "port", "method", "code"}),
    ("postgres_pool_timeouts_total", {"service"}),
    ("parlance_build_info", {"service", "version", "commit"}),
])
def test_a_metric_has_the_labels_that_alerts_and_dashboards_ask_for(metric, labels):
    assert labels_of(metric) == labels


def test_there_are_four_dashboards_and_grafana_finds_them():
    assert len(DASHBOARDS) == 4
    maps = [it for it in chart.of_kind(chart.case("eks"), "ConfigMap") if it["metadata"]["labels"].get("grafana_dashboard") == "1"]
    assert len(maps) == 4
    assert len({json.loads(value)["uid"] for it in maps for value in it["data"].values()}) == 4


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda it: it.stem)
def test_a_dashboard_shows_what_the_services_publish(path):
    dashboard = json.loads(path.read_text())
    names = published()
    shown, ids = 0, set()
    for panel in panels(dashboard):
        assert panel["id"] not in ids
        ids.add(panel["id"])
        if panel["type"] == "row":
            continue
        assert panel["title"] and panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            understood(target["expr"])
            found = metrics_of(target["expr"])
            assert found, panel["title"]
            assert not {metric for metric in found if not is_published(metric, names)}, panel["title"]
            shown += 1
    assert shown >= 6


def test_prometheus_reads_the_ops_port_of_every_service():
    found = chart.case("eks")
    monitor = chart.one(found, "ServiceMonitor", "parlance")["spec"]
    read = {it["metadata"]["name"] for it in chart.of_kind(found, "Service")
            if monitor["selector"]["matchLabels"].items() <= it["metadata"]["labels"].items()}
    assert read == {f"parlance-{service}" for service in chart.SERVICES}
    assert monitor["endpoints"][0]["port"] == "http-ops"
    assert monitor["endpoints"][0]["path"] == "/metrics"
