"""The files for AWS say what the services do, and no more."""

import json
import re

import pytest

import chart

EKS = chart.ROOT / "k8s" / "eks"


def actions(policy):
    found = set()
    for statement in json.loads((EKS / "policies" / f"{policy}.json").read_text())["Statement"]:
        found |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return found


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def calls(*files, service):
    """Operations of the AWS SDK in the source, as actions of IAM."""
    text = "".join((chart.ROOT / "services" / file).read_text() for file in files)
    operations = {"get_item", "put_item", "query", "scan", "batch_write_item", "batch_get_item", "update_item", "delete_item",
                  "batch_execute_statement", "describe_table", "create_table", "describe_time_to_live", "update_time_to_live", "transact_write_items",
                  "head_object", "get_object", "put_object", "delete_object", "head_bucket", "create_bucket", "list_objects_v2"}
    # IAM has no action of its own for these (Amazon S3 API reference, "HeadObject", "HeadBucket"; Amazon DynamoDB
    # developer guide, "IAM security policies with PartiQL"). Our statements are updates.
    renamed = {"HeadObject": "GetObject", "HeadBucket": "ListBucket", "BatchExecuteStatement": "PartiQLUpdate"}
    return {f"{service}:{renamed.get(camel(name), camel(name))}"
            for name in re.findall(r"\.([a-z_0-9]+)\(\)", text) if name in operations}


def test_the_message_service_may_do_what_it_does():
    done = calls("message/src/store/read.rs", "message/src/store/write.rs", service="dynamodb")
    # `scan` is in `dump`, which tests use.
    assert actions("message") == done - {"dynamodb:Scan"}


def test_the_file_service_may_do_what_it_does():
    done = calls("file-upload/src/objects.rs", service="s3")
    # The bucket is made by its migration; without the right to list, an absent object would be a 403.
    assert actions("file-upload") == done - {"s3:CreateBucket"} | {"s3:ListBucket"}


def test_migrations_may_do_what_they_do():
    tables = calls("message/src/store/tables.rs", service="dynamodb")
    assert actions("migrate") == tables | {"s3:CreateBucket", "s3:ListBucket"}


@pytest.mark.parametrize("policy", sorted(EKS.glob("policies/*.json")), ids=lambda it: it.stem)
def test_no_policy_has_a_star_for_an_action_or_for_everything(policy):
    for statement in json.loads(policy.read_text())["Statement"]:
        assert "*" not in json.dumps(statement["Action"])
        assert statement.get("Resource") != "*"


def test_the_tables_and_buckets_of_the_policies_are_those_of_the_values():
    values = chart.one(chart.case("eks"), "ConfigMap", "parlance-message")["data"]
    bucket = chart.one(chart.case("eks"), "ConfigMap", "parlance-file-upload")["data"]["FILE_UPLOAD__FILES__BUCKET"]
    text = (EKS / "policies" / "message.json").read_text()
    for table in ("messages", "conversations"):
        assert f"table/{values['MESSAGE__AWS__TABLE_PREFIX']}{table}\"" in text
    assert f"arn:aws:s3:::{bucket}/*" in (EKS / "policies" / "file-upload.json").read_text()
    cors = json.loads((EKS / "files-cors.json").read_text())["CORSRules"][0]
    assert cors["AllowedOrigins"] == ["https://chat.example.org"]


def test_roles_are_for_the_service_accounts_of_the_chart():
    found = chart.case("eks")
    annotated = {it["metadata"]["name"] for it in chart.of_kind(found, "ServiceAccount")
                 if "eks.amazonaws.com/role-arn" in it["metadata"].get("annotations", {})}
    assert annotated == {"parlance-message", "parlance-file-upload", "parlance-migrate"}
    assert "system:serviceaccount:chat:parlance-SERVICE" in (EKS / "policies" / "trust.json").read_text()


def test_the_headers_of_the_distribution_are_those_of_the_reverse_proxy():
    source = (chart.ROOT / "crates" / "web" / "src" / "pages.rs").read_text()
    policy = re.sub(r"\\\n\s+", "", re.search(r'let policy = format!\(\s+"(.*?)"\s+\);', source, re.S)[1])
    headers = json.loads((EKS / "cloudfront-headers.json").read_text())
    security = headers["SecurityHeadersConfig"]
    bucket = chart.one(chart.case("eks"), "ConfigMap", "parlance-web")["data"]["WEB__S3_ORIGIN"]
    assert security["ContentSecurityPolicy"]["ContentSecurityPolicy"] == policy.replace("{s3_origin}", bucket)
    assert security["ReferrerPolicy"]["ReferrerPolicy"] == "no-referrer"
    custom = {it["Header"]: it["Value"] for it in headers["CustomHeadersConfig"]["Items"]}
    for name, value in custom.items():
        assert f'"{name}"' in source and f'"{value}"' in source


def test_the_distribution_sends_to_the_services_what_the_ingress_does():
    distribution = json.loads((EKS / "cloudfront-distribution.json").read_text())
    assert [it["PathPattern"] for it in distribution["CacheBehaviors"]["Items"]] == ["/api/*", "/socket"]
    assert all(it["TargetOriginId"] == "services" for it in distribution["CacheBehaviors"]["Items"])
    assert distribution["DefaultCacheBehavior"]["TargetOriginId"] == "web"
