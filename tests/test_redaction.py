"""No secret survives, wherever it is nested; what a diagnosis needs does."""

import base64
import gzip
import json

import pytest

from batchguide.redaction import REDACTED, redact, redact_text

CANARY = "cAnarY7Zq9"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


ENVIRONMENT = [{"name": "STAGE", "value": CANARY}, {"name": "EMPTY", "value": ""}]
CONTAINER = {
    "image": "app:1",
    "environment": ENVIRONMENT,
    "command": ["run", "--password", CANARY, f"--token={CANARY}", f"API_KEY={CANARY}"],
    "secrets": [{"name": "DB", "valueFrom": "arn:aws:ssm:eu-west-1:1:parameter/db"}],
    "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": CANARY}},
}
TASK = {"containers": [CONTAINER, CONTAINER]}

NESTED = {
    "definition": {"containerProperties": CONTAINER, "parameters": {"case": CANARY}},
    "nodes": {"nodeProperties": {"nodeRangeProperties": [{"container": CONTAINER}]}},
    "node tasks": {
        "nodeProperties": {"nodeRangeProperties": [{"ecsProperties": {"taskProperties": [TASK]}}]}
    },
    "ecs": {"ecsProperties": {"taskProperties": [TASK]}},
    "pod": {
        "eksProperties": {
            "podProperties": {
                "containers": [{"env": ENVIRONMENT, "args": ["--secret", CANARY]}],
                "initContainers": [{"env": ENVIRONMENT}],
            }
        }
    },
    "task overrides": {"overrides": {"containerOverrides": [{"environment": ENVIRONMENT}]}},
    "job attempt": {"jobs": [{"container": CONTAINER, "parameters": {"a": CANARY}}]},
    "map of tags": {"tags": {"db-password": CANARY, "ApiKey": CANARY}},
    "list of tags": {"Tags": [{"Key": "secret-thing", "Value": CANARY}]},
    "small tags": {"tags": [{"key": "auth_token", "value": CANARY}]},
    "target": {"HttpParameters": {"HeaderParameters": {"X-Any": CANARY}}},
    "reason": {"reason": f"exec failed: https://user:{CANARY}@example.com/x"},
    "input": {"Input": json.dumps({"password": CANARY, "n": 1})},
}


@pytest.mark.parametrize("answer", NESTED.values(), ids=NESTED)
def test_no_canary_survives(answer):
    redacted = json.dumps(redact(answer))

    assert CANARY in json.dumps(answer)
    assert CANARY not in redacted
    assert REDACTED in redacted


USER_DATA = {
    "assignment": f"#!/bin/bash\nexport DB_PASSWORD={CANARY}\n",
    "quoted words": f'#!/bin/bash\necho "DB_PASSWORD=one {CANARY} two" >> /etc/app\n',
    "docker login": f"#!/bin/bash\ndocker login -u me -p {CANARY} registry.example.com\n",
    "agent credentials": f"""ECS_ENGINE_AUTH_DATA={{"https://r/":{{"password":"{CANARY}"}}}}\n""",
    "cloud-config": f"#cloud-config\nusers:\n  - name: u\n    passwd: {CANARY}\n",
    "header": f"#!/bin/bash\ncurl -H 'Authorization: Basic {CANARY}' https://example.com\n",
    "curl user": f"#!/bin/bash\ncurl -u admin:{CANARY} https://example.com\n",
    "private key": f"cat <<EOF\n-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n"
    "-----END RSA PRIVATE KEY-----\nEOF\n",
    "cut private key": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n",
    "mime": "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
    f"Content-Type: text/x-shellscript\n\nSECRET_KEY={CANARY}\n--b--\n",
    "mime in base64": "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
    "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n"
    f"{encoded(f'SECRET_KEY={CANARY}')}\n--b--\n",
}


@pytest.mark.parametrize("text", USER_DATA.values(), ids=USER_DATA)
@pytest.mark.parametrize("is_packed", [False, True])
def test_no_canary_survives_in_user_data(text, is_packed):
    data = gzip.compress(text.encode()) if is_packed else text.encode()
    value = base64.b64encode(data).decode()

    for answer in (
        {"UserData": {"Value": value}},
        {"LaunchTemplateVersions": [{"LaunchTemplateData": {"UserData": value}}]},
    ):
        redacted = json.dumps(redact(answer))
        assert CANARY not in redacted
        assert encoded(CANARY)[:8] not in redacted
        assert REDACTED in redacted


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_encoded_parts_of_user_data_are_read_and_redacted(encoding):
    script = f"ECS_IMAGE_CLEANUP_INTERVAL=10m\nSECRET_KEY={CANARY}\n"
    part = encoded(script) if encoding == "base64" else script.replace("=", "=3D")
    mime = (
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        f"Content-Type: text/x-shellscript\nContent-Transfer-Encoding: {encoding}\n\n"
        f"{part}\n--b--\n"
    )

    redacted = redact({"UserData": encoded(mime)})["UserData"]

    assert "\nECS_IMAGE_CLEANUP_INTERVAL=10m\n" in redacted
    assert f"\nSECRET_KEY={REDACTED}\n" in redacted


def test_user_data_that_is_no_text_is_not_kept():
    value = base64.b64encode(b"\x00\xff\xfe" + CANARY.encode()).decode()

    redacted = redact({"UserData": {"Value": value}})["UserData"]["Value"]

    assert CANARY not in redacted
    assert REDACTED in redacted


SETTINGS = """\
#!/bin/bash
echo ECS_CLUSTER=OnDemand_Batch_cde70957-67d0-434e-86da-103cd3d09881>>/etc/ecs/ecs.config
echo ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=2m>>/etc/ecs/ecs.config
cat >> /etc/ecs/ecs.config <<'EOF'
ECS_IMAGE_MINIMUM_CLEANUP_AGE=10m
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
ECS_INSTANCE_ATTRIBUTES={"com.amazonaws.batch.compute-environment-revision":"1"}
EOF
mkfs -t xfs /dev/nvme1n1 && mkdir -p /var/lib/docker && mount /dev/nvme1n1 /var/lib/docker
TOKEN=$(aws secretsmanager get-secret-value --secret-id arn:aws:secretsmanager:x:1:secret:db)
"""


def test_settings_of_the_agent_and_volumes_are_kept():
    assert redact({"UserData": encoded(SETTINGS)}) == {"UserData": SETTINGS}


@pytest.mark.parametrize(
    "answer",
    [
        {"secrets": [{"name": "DB", "valueFrom": "arn:aws:secretsmanager:eu-west-1:1:secret:db"}]},
        {"repositoryCredentials": {"credentialsParameter": "arn:aws:secretsmanager:x:1:secret:r"}},
        {"MetadataOptions": {"HttpTokens": "required"}},
        {"environment": [{"name": "AWS_BATCH_JOB_ID", "value": "8b1f0d52-2f7e-4a51-9d0e:17"}]},
        {"command": ["run", "--case", "Ref::case", "-p", "8080", "s3://bucket/Sample-0001.fastq"]},
        {"command": ["mkdir", "-p", "/scratch"]},
        {"image": f"1.dkr.ecr.eu-west-1.amazonaws.com/app@sha256:{'0a1B' * 16}"},
        {"tags": {"team": "imaging", "cost-center": "4711"}},
        {"Tags": [{"Key": "aws:autoscaling:groupName", "Value": "ce-asg-2f7e4a51-9d0e"}]},
        {"ebs": {"Encrypted": True, "Iops": 3000, "KmsKeyId": None}},
        {"jobs": [], "nothing": {}},
    ],
)
def test_what_a_diagnosis_needs_is_kept(answer):
    assert redact(answer) == answer


@pytest.mark.parametrize(
    "text",
    [
        "CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob887491687: no space left",
        "CannotPullContainerError: pull access denied: no basic auth credentials",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
        "retrieval failed: unable to retrieve secret from asm: service call has been retried",
        "CLIENT_ERROR - Not authorized to perform sts:AssumeRole (Service: AWSSecurityToken)",
        "The security token included in the request is invalid",
    ],
)
def test_reasons_of_aws_are_kept_word_for_word(text):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_what_looks_like_a_key_goes_without_a_name_to_it(secret):
    assert redact({"command": ["run", secret]}) == {"command": ["run", REDACTED]}


def test_a_variable_that_only_claims_to_be_of_batch_is_redacted():
    variable = {"name": "AWS_BATCH_JOB_ID", "value": f"{CANARY} with words"}

    assert redact({"environment": [variable]})["environment"][0]["value"] == REDACTED


@pytest.mark.parametrize("answer", [{"environment": 7}, {"command": {"a": [1]}}, {"UserData": 3}])
def test_shapes_that_aws_never_sends_do_no_harm(answer):
    assert redact(answer) == answer


def test_redacting_twice_changes_nothing():
    once = redact(NESTED)

    assert redact(once) == once
