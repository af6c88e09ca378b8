"""What `collect --plan` says beforehand is what collecting then does, and what it says of refusals
is said before the long part."""

import re
from datetime import UTC, datetime
from math import ceil

import pytest

from batchguide.aws.collect import collect, collect_to_file
from batchguide.aws.expected import GROWTH, expected_calls, expected_text
from batchguide.aws.known import Known
from batchguide.aws.narration import blinded_checks
from batchguide.aws.session import make_session
from batchguide.aws.wanted import WANTED
from batchguide.capture import Call, load_capture
from batchguide.checks import registry
from batchguide.cli import main
from fakeaws import FakeAws, Refused

NEEDS = {check.id: check.needs for check in registry().values()}
ROWS = {row.name: row for row in WANTED}


@pytest.fixture(scope="module")
def fake():
    with FakeAws() as fake, fake.environment():
        yield fake


def test_every_row_says_how_it_grows():
    assert set(GROWTH) == set(ROWS)


def test_an_account_without_batch_takes_exactly_the_calls_that_are_sure(fake):
    del fake.log[:]
    collect(make_session(), now=fake.world.now)

    made = [(service, operation) for service, operation, _ in fake.log]
    sure = [
        (each.row.service, each.row.operation)
        for each in expected_calls()
        for _ in range(each.calls)
    ]
    assert sorted(made) == sorted(sure)


def known(**answers):
    """What `count` of everything looks like once it was answered."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    calls = [Call(*name.split("__"), *answer) for name, answer in answers.items()]
    return Known("eu-west-1", now, now, calls)


def jobs(count, status="FAILED", **more):
    found = [{"jobId": f"j{n}", "status": status, **more} for n in range(count)]
    return known(batch__ListJobs=({}, ({"jobSummaryList": found},)))


def queues(count):
    found = [{"jobQueueArn": f"q{n}"} for n in range(count)]
    return known(batch__DescribeJobQueues=({}, ({"jobQueues": found},)))


def environments(count):
    found = [{"ecsClusterArn": f"c{n}"} for n in range(count)]
    return known(batch__DescribeComputeEnvironments=({}, ({"computeEnvironments": found},)))


def listed(operation, field):
    def of(count):
        page = {field: [f"a{n}" for n in range(count)]}
        return known(**{f"ecs__{operation}": ({"cluster": "c"}, (page,))})

    return of


def instances(count):
    found = [{"InstanceId": f"i-{n}", "ImageId": f"ami-{n}"} for n in range(count)]
    return known(ec2__DescribeInstances=({}, ({"Reservations": [{"Instances": found}]},)))


def joined(count):
    found = [{"ec2InstanceId": f"i-{n}"} for n in range(count)]
    return known(ecs__DescribeContainerInstances=({}, ({"containerInstances": found},)))


def volumes(count):
    found = [{"VolumeId": f"v-{n}", "VolumeType": "gp3"} for n in range(count)]
    return known(ec2__DescribeVolumes=({}, ({"Volumes": found},)))


def images(count):
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    found = [
        {"jobDefinitionName": f"d{n}", "revision": 1, "image": f"{registry}/r:{n}"}
        for n in range(count)
    ]
    return known(batch__DescribeJobDefinitions=({}, ({"jobDefinitions": found},)))


def groups(count):
    found = [{"AutoScalingGroupName": f"g{n}"} for n in range(count)]
    return known(autoscaling__DescribeAutoScalingGroups=({}, ({"AutoScalingGroups": found},)))


def rules(count):
    found = [{"Name": f"r{n}", "EventPattern": "{}"} for n in range(count)]
    return known(events__ListRules=({}, ({"Rules": found},)))


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("jobs", queues),
        ("snapshots", queues),
        ("children", lambda count: jobs(count, arrayProperties={})),
        ("job details", jobs),
        ("clusters", environments),
        ("container instances", environments),
        ("container instance details", listed("ListContainerInstances", "containerInstanceArns")),
        ("tasks", environments),
        ("task details", listed("ListTasks", "taskArns")),
        ("activities", groups),
        ("instances", joined),
        ("user data", instances),
        ("volumes", instances),
        ("machine images", instances),
        ("volume metrics", volumes),
        ("image manifests", images),
        ("image details", images),
        ("rule targets", rules),
    ],
)
@pytest.mark.parametrize("count", [1, 199, 200, 201, 401])
def test_questions_grow_as_it_says(name, account, count):
    calls, each = re.match(r"(\d+) for each (\d+)?", GROWTH[name]).groups()

    asked = list(ROWS[name].questions(account(count)))

    assert len(asked) == int(calls) * ceil(count / int(each or 1))


def test_the_command_asks_nothing_and_needs_no_credentials(monkeypatch, capsys):
    monkeypatch.setattr("batchguide.aws.collect.make_session", None)

    assert main(["collect", "--plan", "--budget", "40"]) == 0

    assert capsys.readouterr().out == expected_text(40) + "\n"
    lines = expected_text(40).splitlines()
    assert len(lines) == len(WANTED) + 2
    assert sum(int(line[:5]) for line in lines[1:-1]) == int(lines[-1][:5])
    assert "stops at 40" in lines[-1]


def test_collect_without_a_file_or_a_plan_is_wrong_usage(capsys):
    assert main(["collect", "--region", "eu-west-1"]) == 64
    assert "-o FILE" in capsys.readouterr().err


# --- what was spent, and what was refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "says"), [(5, "not answered in full: "), (999, "service-quotas")]
)
def test_a_budget_stops_it_and_what_was_spent_is_kept_and_said(fake, tmp_path, budget, says):
    lines, path = [], tmp_path / "c.json"
    del fake.log[:]

    collect_to_file(None, None, None, None, 7, path, lines.append, budget)

    meta = load_capture(str(path)).meta
    sure = sum(each.calls for each in expected_calls())
    assert meta["calls_spent"] == len(fake.log) == min(budget, sure)
    assert 0 < meta["seconds_spent"] < 600
    assert lines[-1].startswith(f"spent {meta['calls_spent']} calls, 0 retries, ")
    assert says in lines[-1]
    assert ("ec2:DescribeLaunchTemplateVersions" in lines[-1]) == (budget == 5)


def test_a_missing_permission_is_named_with_what_it_costs_before_the_long_part(fake, tmp_path):
    lines = []
    refused = {("batch", "DescribeJobQueues"): Refused(), ("events", "ListRules"): Refused()}

    with fake.faulty(refused):
        out = tmp_path / "c.json"
        collect_to_file(None, None, None, None, 7, out, lines.append, needs=NEEDS)

    said = [line for line in lines if line.startswith("refused: ")]
    assert [line.split(";")[0] for line in said] == [
        "refused: batch:DescribeJobQueues",
        "refused: events:ListRules",
    ]
    assert "DISK-001" in said[0]  # jobs are asked queue by queue
    assert "LOG-003" in said[1]
    assert lines.index(said[-1]) < next(n for n, it in enumerate(lines) if "batch:ListJobs" in it)


def test_a_permission_costs_the_checks_that_follow_from_it():
    assert blinded_checks(ROWS["identity"], NEEDS) == ()
    assert "DISK-007" in blinded_checks(ROWS["volumes"], NEEDS)  # by the metrics of the volumes
    assert "DISK-007" not in blinded_checks(ROWS["event rules"], NEEDS)
    few, many = (set(blinded_checks(ROWS[it], NEEDS)) for it in ("volumes", "compute environments"))
    assert few < many


def test_the_command_tells_refusals_by_the_checks_they_cost(fake, tmp_path, capsys):
    with fake.faulty({("events", "ListRules"): Refused()}):
        assert main(["collect", "-o", str(tmp_path / "c.json")]) == 0

    assert "refused: events:ListRules; UNKNOWN without it: LOG-003" in capsys.readouterr().err
