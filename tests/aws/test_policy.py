"""The printed policy lets the collector read what it reads, and is no wider than IAM can say it."""

import json
import re
from fnmatch import fnmatchcase

import pytest
from policy_sentry.querying.actions import get_action_data

from batchguide.aws.policy import RESOURCES, read_policy
from batchguide.aws.session import make_session
from batchguide.aws.wanted import OPERATIONS, WANTED
from batchguide.cli import main
from batchguide.errors import UserError

ACTIONS = sorted({row.permission for row in WANTED})
# What a call asks for, by an ARN that AWS would check it against.
REAL = {
    "batch:GetJobQueueSnapshot": "arn:aws:batch:eu-west-1:123456789012:job-queue/simulate",
    "ec2:DescribeInstanceAttribute": "arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc",
    "ecr:BatchGetImage": "arn:aws:ecr:eu-west-1:999999999999:repository/team/simulate",
    "ecr:DescribeImages": "arn:aws:ecr:eu-west-1:999999999999:repository/team/simulate",
    "ecs:DescribeClusters": "arn:aws:ecs:eu-west-1:123456789012:cluster/x_Batch_1",
    "ecs:ListContainerInstances": "arn:aws:ecs:eu-west-1:123456789012:cluster/x_Batch_1",
    "ecs:DescribeContainerInstances": (
        "arn:aws:ecs:eu-west-1:123456789012:container-instance/x_Batch_1/0abc"
    ),
    "ecs:ListTasks": "arn:aws:ecs:eu-west-1:123456789012:container-instance/x_Batch_1/0abc",
    "ecs:DescribeTasks": "arn:aws:ecs:eu-west-1:123456789012:task/x_Batch_1/0abc",
    "events:ListTargetsByRule": "arn:aws:events:eu-west-1:123456789012:rule/keep-batch-events",
    "servicequotas:GetServiceQuota": (
        "arn:aws:servicequotas:eu-west-1:123456789012:ebs/L-7A658B76"
    ),
}


def authorization(action):
    """What the Service Authorization Reference has on an action, resource by resource."""
    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    return found[service] if found else []


def allowed(policy):
    """Action → the resources it is allowed on."""
    found = {}
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for action in statement["Action"]:
            assert action not in found, f"{action} is allowed twice"
            found[action] = [resources] if isinstance(resources, str) else resources
    return found


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_exists_and_only_reads(action):
    levels = {row["access_level"] for row in authorization(action)}

    assert levels
    assert levels <= {"Read", "List"}


def test_every_operation_that_a_session_may_send_is_allowed_and_nothing_else():
    assert set(allowed(read_policy())) == {action_of(*operation) for operation in OPERATIONS}


def action_of(service, operation):
    """The action that AWS checks, from botocore's own account of how the service signs."""
    session = make_session(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
    signing = session.botocore_session.get_service_model(service).signing_name
    return f"{'cloudwatch' if signing == 'monitoring' else signing}:{operation}"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKEFAKEFAKEFAKE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "fake")


@pytest.mark.parametrize("action", ACTIONS)
def test_resources_are_those_that_the_action_takes(action):
    formats = {row["resource_arn_format"] for row in authorization(action)} - {"*"}

    assert bool(formats) == (action in RESOURCES), "narrower or wider than IAM can say it"
    for arn in allowed(read_policy())[action] if formats else []:
        assert any(is_of(arn, each) for each in formats), (arn, formats)


def is_of(arn, arn_format):
    """Whether a pattern is of a format's kind of resource: any name, but no other kind."""
    kind = re.split(r"\$\{\w+\}", arn_format.partition("/")[0])
    return bool(re.fullmatch("[^:]+".join(map(re.escape, kind)) + "/.+", arn))


@pytest.mark.parametrize("action", ACTIONS)
def test_what_the_collector_asks_of_one_account_is_allowed_there(action):
    policy = read_policy("eu-west-1", "123456789012")

    real = REAL.get(action, "*")

    assert any(fnmatchcase(real, pattern) for pattern in allowed(policy)[action])


def test_a_region_and_an_account_narrow_every_statement():
    for statement in read_policy("eu-west-1", "123456789012")["Statement"]:
        if statement["Resource"] == "*":
            condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
            assert statement["Condition"] == condition
            continue
        for arn in statement["Resource"]:
            _, partition, service, region, account, _ = arn.split(":", 5)
            assert (partition, region) == ("aws", "eu-west-1")
            assert account == ("*" if service == "ecr" else "123456789012")


def test_without_a_region_nothing_is_held_to_one():
    assert "Condition" not in json.dumps(read_policy())


def test_it_is_a_policy_that_iam_takes():
    policy = read_policy("cn-north-1", "123456789012", "aws-cn")

    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert all(sid.isalnum() for sid in sids)
    assert len(set(sids)) == len(sids)
    assert len(json.dumps(policy, separators=(",", ":"))) < 6_144  # a managed policy's most
    assert "arn:aws:" not in json.dumps(policy)


@pytest.mark.parametrize("wrong", [("eu", None), ("*", None), (None, "12345"), (None, "*")])
def test_what_is_no_region_or_account_is_refused(wrong):
    with pytest.raises(UserError, match="not '"):
        read_policy(*wrong)


def test_the_command_prints_it(capsys):
    assert main(["policy", "--region", "eu-west-1", "--account", "123456789012"]) == 0

    assert json.loads(capsys.readouterr().out) == read_policy("eu-west-1", "123456789012")
