import pytest

from batchguide.account import Account
from batchguide.checks import run_checks
from builders import GONE, QUEUE_ARN, REGION, answer, failed, find, make_capture, make_rule

AL2 = "amzn2-ami-ecs-hvm-2.0.20260611-x86_64-ebs"


def image_type(name):
    return {"computeResources": {"ec2Configuration": [{"imageType": name}]}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "critical")),
        ({"environment": image_type("ECS_AL2")}, ("FAIL", "critical")),
        ({"environment": image_type("ECS_AL2_NVIDIA")}, ("FAIL", "critical")),
        ({"environment": image_type("ECS_AL2023_NVIDIA")}, ("PASS", "critical")),
        ({"ami": {"Name": AL2}}, ("FAIL", "critical")),
        ({"ami": {"Name": "amzn-ami-2018.03.20240709-amazon-ecs-optimized"}}, ("FAIL", "critical")),
        ({"environment": image_type(GONE), "ami": {"Name": "ours"}}, ("UNKNOWN", "critical")),
        ({"environment": image_type(GONE)}, ("PASS", "critical")),  # its AMI's name tells
        ({"environment": image_type(GONE), "running": False}, ("UNKNOWN", "critical")),
    ],
)
def test_amazon_linux_unsupported(changes, expected):
    assert answer("AMI-001", **changes) == expected


@pytest.mark.parametrize(
    ("taken_at", "severity", "words"),
    [
        ("2026-06-29T23:59:00Z", "high", "support ends on 2026-06-30"),
        ("2026-06-30T00:00:00Z", "critical", "support ended on 2026-06-30"),
        (None, "critical", "support ended on 2026-06-30"),
    ],
)
def test_support_ends_on_a_day(taken_at, severity, words):
    (finding,) = find("AMI-001", meta={"taken_at": taken_at}, environment=image_type("ECS_AL2"))

    assert (finding.status, finding.severity) == ("FAIL", severity)
    assert words in finding.message


ARN = f"arn:aws:{{}}:{REGION}:111122223333:{{}}"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("logs", ("PASS", "high")),
        ("firehose", ("PASS", "high")),
        ("sqs", ("PASS", "high")),
        ("kinesis", ("PASS", "high")),
        ("lambda", ("FAIL", "high")),
        ("sns", ("FAIL", "high")),
        ("events", ("UNKNOWN", "high")),  # another bus: its rules are not in the capture
    ],
)
def test_where_events_are_kept(service, expected):
    assert answer("LOG-003", targets=[ARN.format(service, "x")]) == expected


BATCH = {"source": ["aws.batch"]}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (BATCH, ("PASS", "high")),
        ({"detail-type": ["Batch Job State Change"]}, ("PASS", "high")),
        ({"source": [{"prefix": "aws."}]}, ("PASS", "high")),
        ({"source": [{"suffix": "batch"}]}, ("PASS", "high")),
        ({"source": [{"wildcard": "aws.b*"}]}, ("PASS", "high")),
        ({"source": [{"equals-ignore-case": "AWS.BATCH"}]}, ("PASS", "high")),
        ({"source": [{"anything-but": ["aws.ec2"]}]}, ("PASS", "high")),
        ({"source": [{"anything-but": "aws.batch"}]}, ("FAIL", "high")),
        ({"source": ["aws.ec2"]}, ("FAIL", "high")),
        (BATCH | {"detail-type": ["Batch Job Queue Blocked"]}, ("FAIL", "high")),
        (BATCH | {"detail": {"status": ["FAILED"]}}, ("FAIL", "medium")),  # some are kept
        ({"source": [{"newer-matcher": 1}]}, ("UNKNOWN", "high")),
        ({"source": "aws.batch"}, ("UNKNOWN", "high")),  # not a list: AWS would refuse it
        ({"detail": {"status": ["FAILED"]}}, ("FAIL", "high")),
        ({}, ("FAIL", "high")),
    ],
)
def test_which_rules_take_job_events(pattern, expected):
    assert answer("LOG-003", rules=[make_rule(pattern=pattern)]) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "FAIL"),
        ([make_rule(State="DISABLED")], "FAIL"),
        ([make_rule(State="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")], "PASS"),
        ([make_rule(EventPattern="{not json")], "FAIL"),
        ([make_rule(EventPattern=GONE)], "FAIL"),
        ([make_rule(pattern={"source": ["aws.ec2"]}), make_rule()], "PASS"),
        ([make_rule(Name="other")], "UNKNOWN"),  # its targets were not asked for
    ],
)
def test_rules(rules, expected):
    assert answer("LOG-003", rules=rules)[0] == expected


WAITING = {"status": "RUNNABLE", "attempts": []}
REASONS = [
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement is higher",
    "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS – Batch service role has a permission issue.",
    "ACTION_REQUIRED - CE(s) associated with the job queue are invalid.",
    "UNDETERMINED - Batch job is blocked, root cause is undetermined.",
]


@pytest.mark.parametrize("reason", REASONS)
def test_every_blocking_reason_of_aws_is_known(reason):
    jobs = [WAITING | {"statusReason": reason}, WAITING]

    (finding,) = find("SCHED-001", jobs=jobs, front=["job-0", "job-1"])

    assert (finding.status, finding.severity) == ("FAIL", "critical")
    assert reason.split(" ")[0] in finding.message
    assert "1 job behind it" in finding.message


@pytest.mark.parametrize(
    ("jobs", "front", "expected"),
    [
        ([{}], [], "NOT_APPLICABLE"),
        ([WAITING], ["job-0"], "PASS"),
        ([WAITING | {"statusReason": "CAPACITYPLANNING is hard"}], ["job-0"], "PASS"),
        ([{}], ["job-9"], "UNKNOWN"),  # the head of the queue is a job that was not described
        ([{"status": "FAILED", "statusReason": REASONS[0]}], [], "NOT_APPLICABLE"),
    ],
)
def test_queue_blocked(jobs, front, expected):
    assert answer("SCHED-001", jobs=jobs, front=front)[0] == expected


def test_a_blocked_job_is_seen_without_the_snapshot():
    jobs = [WAITING | {"statusReason": REASONS[0]}]
    capture = failed(make_capture(jobs=jobs), "batch:GetJobQueueSnapshot")

    (finding,) = run_checks(Account.from_capture(capture), ids=["SCHED-001"])

    assert finding.status == "FAIL"


def test_a_job_beyond_the_first_hundred_does_not_block():
    jobs = [WAITING] * 100 + [WAITING | {"statusReason": REASONS[0]}]
    front = [f"job-{at}" for at in range(100)]

    (finding,) = find("SCHED-001", jobs=jobs, front=front)

    assert finding.status == "PASS"
    assert finding.resource == f"job-queue/{QUEUE_ARN.rpartition('/')[2]}"
