"""Collecting asks all of the table, in few calls, and marks exactly what it could not learn."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from accounts import disk_full
from batchguide.aws import collect as collecting
from batchguide.aws import questions_batch, questions_ec2
from batchguide.aws.collect import collect, collect_to_file, waves
from batchguide.aws.known import Known
from batchguide.aws.questions_batch import may_match_batch
from batchguide.aws.session import make_session
from batchguide.aws.wanted import OPERATIONS, WANTED
from batchguide.capture import KINDS, Call, load_capture
from batchguide.errors import UserError
from fakeaws import (
    AwsError,
    Cut,
    Empty,
    FakeAws,
    Garbage,
    Refused,
    Throttled,
    TimedOut,
    user_environment,
)

JOBS_A_BURST = 21
READ_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def fake():
    """A small account with full disks; pages of 11, so that the long listings have several."""
    with FakeAws(page_size=11) as fake, fake.environment():
        disk_full.build(fake, JOBS_A_BURST)
        fake.client("events").put_rule(Name="all", EventPattern='{"account": ["123456789012"]}')
        fake.session = make_session(max_attempts=1, read_timeout_s=READ_TIMEOUT_S)
        yield fake


def collected(fake, **options):
    del fake.log[:]
    return collect(fake.session, now=fake.world.now, **options)


@pytest.fixture(scope="module")
def whole(fake):
    return collected(fake)


def test_every_operation_of_the_table_is_asked_and_answered_in_full(fake, whole):
    assert set(whole.operations()) == OPERATIONS
    assert [call.error for call in whole.calls if call.error] == []


def test_pages_are_followed_to_the_end(fake, whole):
    listed = {job["jobId"] for job in whole.items("batch", "ListJobs", "jobSummaryList")}
    tasks = [
        arn
        for call in whole.calls_of("ecs", "ListTasks")
        for page in call.pages
        for arn in page["taskArns"]
    ]

    assert listed == set(fake.world.jobs)
    assert sorted(tasks) == sorted(fake.world.tasks)
    assert max(len(call.pages) for call in whole.calls_of("batch", "ListJobs")) > 9


def test_the_order_of_calls_does_not_hang_on_who_answered_first(fake, whole):
    again = collected(fake)

    assert again.calls == whole.calls
    rows = [(row.service, row.operation) for row in WANTED]
    firsts = [rows.index((call.service, call.operation)) for call in whole.calls]
    assert firsts == sorted(firsts) or Counter(rows)["batch", "ListJobs"] == 2


def test_describe_calls_are_full(whole):
    sizes = [len(call.params["jobs"]) for call in whole.calls_of("batch", "DescribeJobs")]

    assert sum(sizes) == 5 * JOBS_A_BURST + 4
    assert all(size == 100 for size in sizes[:-1])
    for service, operation in [
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeVolumes"),
        ("ec2", "DescribeImages"),
        ("cloudwatch", "GetMetricData"),
        ("ecs", "DescribeClusters"),
    ]:
        assert len(whole.calls_of(service, operation)) == 1


def test_what_was_spent_is_what_reached_aws(fake):
    capture = collected(fake)

    assert capture.meta["calls_spent"] == len(fake.log)
    assert capture.meta["retries_spent"] == 0


def test_meta(whole):
    assert whole.meta["account"] == "123456789012"
    assert whole.meta["partition"] == "aws"
    assert whole.meta["region"] == "us-east-1"
    assert whole.meta["endpoint"] == "custom"
    assert whole.meta["taken_at"] == "2026-11-21T03:10:00Z"
    assert whole.meta["days"] == 7


def test_nothing_but_wanted_reads_reaches_aws(fake, whole):
    assert {(service, operation) for service, operation, _ in fake.log} <= OPERATIONS


def test_user_data_is_text_and_secrets_are_gone(whole):
    answers = whole.calls_of("ec2", "DescribeInstanceAttribute")
    assert all(
        "ecs.config" in call.pages[0]["UserData"]["Value"] and call.error is None
        for call in answers
    )
    assert "tok-4e1c8a90bd" not in json.dumps([call.pages for call in whole.calls])
    assert "s3://example-results" not in json.dumps([call.pages for call in whole.calls])


def test_no_answer_holds_http_or_tokens(whole):
    for call in whole.calls:
        for page in call.pages:
            assert not {"ResponseMetadata", "nextToken", "NextToken"} & page.keys()
    json.dumps([call.pages for call in whole.calls])  # no dates or bytes left


def test_pinned_versions_are_asked_beside_the_newest(whole):
    asked = [call.params for call in whole.calls_of("ec2", "DescribeLaunchTemplateVersions")]

    assert asked[0] == {"Versions": ["$Latest", "$Default"]}
    assert [params["Versions"] for params in asked[1:]] == [["1"]] * 3  # one pinned, two groups'


def test_image_layers_are_asked_by_digest(whole):
    for call in whole.calls_of("ecr", "DescribeImages"):
        assert all(set(image_id) == {"imageDigest"} for image_id in call.params["imageIds"])


FOLLOWERS = {
    row.name: {other.name for other in WANTED if row.name in other.follows} for row in WANTED
}


def tainted(service, operation):
    """Operations that can't be complete when one is not answered."""
    names = {row.name for row in WANTED if (row.service, row.operation) == (service, operation)}
    while more := {follower for name in names for follower in FOLLOWERS[name]} - names:
        names |= more
    return {(row.service, row.operation) for row in WANTED if row.name in names}


def permission_of(service, operation):
    return next(
        row.permission for row in WANTED if (row.service, row.operation) == (service, operation)
    )


EVERY = sorted(OPERATIONS)
ONE_OF_EACH_PROTOCOL = [
    ("batch", "ListJobs"),
    ("ecs", "ListTasks"),
    ("ec2", "DescribeVolumes"),
    ("autoscaling", "DescribeAutoScalingGroups"),
    ("cloudwatch", "GetMetricData"),
    ("sts", "GetCallerIdentity"),
]
FAULTS = [
    (Refused(), "refused", EVERY),
    (Garbage(), "garbage", EVERY),
    (Throttled(), "throttled", ONE_OF_EACH_PROTOCOL),
    (TimedOut(READ_TIMEOUT_S * 1.2), "timeout", ONE_OF_EACH_PROTOCOL),
    (Cut(), "garbage", ONE_OF_EACH_PROTOCOL),
]


@pytest.mark.parametrize(
    ("fault", "kind", "operation"),
    [
        pytest.param(fault, kind, operation, id=f"{type(fault).__name__}-{'-'.join(operation)}")
        for fault, kind, operations in FAULTS
        for operation in operations
    ],
)
def test_a_fault_taints_what_follows_from_it_and_nothing_else(fake, fault, kind, operation):
    with fake.faulty({operation: fault}):
        capture = collected(fake)

    assert set(capture.operations()) == OPERATIONS
    incomplete = {key for key in OPERATIONS if not capture.complete(*key)}
    assert incomplete == tainted(*operation)
    errors = [call.error for call in capture.calls if call.error]
    assert {error.kind for error in capture.errors_of(*operation)} - {"not-asked"} == {kind}
    assert {error.kind for error in errors} <= {kind, "not-asked"} <= KINDS
    assert {error.permission for error in errors} == {permission_of(*operation)}
    assert not any("assumed-role" in e.message or "Encoded" in e.message for e in errors)


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_pages_that_came_before_the_cut_are_kept(fake, pages):
    with fake.faulty({("batch", "ListJobs"): Cut(after_pages=pages)}):
        capture = collected(fake)

    longest = max(capture.calls_of("batch", "ListJobs"), key=lambda call: len(call.pages))
    assert longest.error and longest.error.kind == "garbage"
    assert [len(page["jobSummaryList"]) for page in longest.pages] == [1] * pages
    assert capture.calls_of("batch", "DescribeJobs")[0].pages  # of the jobs that were listed
    assert not capture.complete("batch", "DescribeJobs")


@pytest.mark.parametrize(
    "operation",
    [
        ("batch", "DescribeJobs"),
        ("ecs", "DescribeContainerInstances"),
        ("ec2", "DescribeInstances"),
        ("cloudwatch", "GetMetricData"),
    ],
    ids="-".join,
)
def test_silence_about_what_was_asked_by_name_is_no_answer(fake, operation):
    with fake.faulty({operation: Empty()}):
        capture = collected(fake)

    assert not capture.complete(*operation)
    assert "AWS described 0" in capture.errors_of(*operation)[0].message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b'{"jobs": null}',
        b'{"jobs": {"a": 1}}',
        b'{"jobs": ["x", 3]}',
        b'{"jobs": [null]}',
        b'{"jobs": [{"createdAt": {}}]}',
        b"\xff\xfe\x00",
        b"<a/>",
        b"{" * 1000,
    ],
)
def test_garbage_of_every_kind_is_no_answer(fake, body):
    with fake.faulty({("batch", "DescribeJobs"): Garbage(body)}):
        capture = collected(fake)

    assert not capture.complete("batch", "DescribeJobs")
    assert all(
        page["jobs"] for call in capture.calls_of("batch", "DescribeJobs") for page in call.pages
    )


@pytest.mark.parametrize(
    "body", [b"", b"<a/>", b"<html>", b"{}", b"\x00", b"<?xml version='1.0'?>"]
)
def test_garbage_for_a_service_that_speaks_xml(fake, body):
    with fake.faulty({("ec2", "DescribeVolumes"): Garbage(body)}):
        capture = collected(fake)

    (error,) = capture.errors_of("ec2", "DescribeVolumes")
    assert error.kind == "garbage"


@pytest.mark.parametrize("budget", [0, 1, 9, 40])
def test_a_budget_is_kept_and_marks_what_it_cuts(fake, budget):
    capture = collected(fake, budget=budget)

    assert len(fake.log) == capture.meta["calls_spent"] == budget
    kinds = {call.error.kind for call in capture.calls if call.error}
    assert "cut" in kinds
    assert kinds <= {"cut", "not-asked"}


def test_a_budget_that_suffices_cuts_nothing(fake, whole):
    capture = collected(fake, budget=whole.meta["calls_spent"])

    assert capture.calls == whole.calls


def test_pages_have_a_bound_and_keep_what_came_before_it(fake, monkeypatch):
    few = [replace(row, max_pages=2) for row in WANTED]
    monkeypatch.setattr(collecting, "WANTED", tuple(few))

    capture = collected(fake)

    cut = [call for call in capture.calls if call.error and call.error.kind == "cut"]
    assert {"ListJobs", "ListTasks"} <= {call.operation for call in cut}
    assert all(len(call.pages) == 2 for call in cut)


def test_a_bound_on_jobs_marks_the_failed_ones_left_out(fake, monkeypatch):
    monkeypatch.setattr(questions_batch, "DESCRIBED_JOBS", {"FAILED": 0, "RUNNABLE": 1})
    fake.world.jobs[next(iter(fake.world.jobs))]["status"] = "FAILED"
    try:
        capture = collected(fake)
    finally:
        fake.world.jobs[next(iter(fake.world.jobs))]["status"] = "SUCCEEDED"

    errors = capture.errors_of("batch", "DescribeJobs")
    assert [error.kind for error in errors] == ["cut"]
    assert "1 of 1 FAILED jobs" in errors[0].message


def test_failed_children_of_arrays_are_listed(fake):
    parent = next(iter(fake.world.jobs.values()))
    child = {**parent, "jobId": f"{parent['jobId']}:3", "status": "FAILED"}
    changed = {**parent, "status": "FAILED", "arrayProperties": {"size": 4}}
    fake.world.jobs |= {parent["jobId"]: changed, child["jobId"]: child}
    try:
        capture = collected(fake)
    finally:
        del fake.world.jobs[child["jobId"]]
        fake.world.jobs[parent["jobId"]] = parent

    described = {job["jobId"] for job in capture.items("batch", "DescribeJobs", "jobs")}
    assert child["jobId"] in described


def test_jobs_older_than_the_days_are_left_out_unless_they_wait(fake):
    jobs = list(fake.world.jobs.values())
    old, waiting = jobs[0], jobs[-1]
    before = {job["jobId"]: job["createdAt"] for job in (old, waiting)}
    old["createdAt"] = waiting["createdAt"] = 1_700_000_000_000
    try:
        capture = collected(fake)
    finally:
        for job in (old, waiting):
            job["createdAt"] = before[job["jobId"]]

    listed = {job["jobId"] for job in capture.items("batch", "ListJobs", "jobSummaryList")}
    assert waiting["status"] == "RUNNABLE"
    assert waiting["jobId"] in listed
    assert old["jobId"] not in listed


def test_botocore_retries_and_the_retries_are_counted(fake):
    with fake.faulty({("batch", "DescribeJobQueues"): Throttled(times=2)}):
        capture = collect(make_session(max_attempts=3), now=fake.world.now)

    assert capture.complete("batch", "DescribeJobQueues")
    assert capture.meta["retries_spent"] == 2


# --- what stops a run ---------------------------------------------------------------------------


@pytest.fixture
def surroundings(monkeypatch):
    for name, value in user_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_an_endpoint_where_nobody_listens(surroundings):
    session = make_session(endpoint_url="http://127.0.0.1:9", max_attempts=1)

    with pytest.raises(UserError, match=r"no answer from http://127\.0\.0\.1:9 .*check") as stopped:
        collect(session)

    assert "\n" not in str(stopped.value)


def test_an_endpoint_that_never_answers(fake):
    with (
        fake.faulty({key: TimedOut(0.6) for key in OPERATIONS}),
        pytest.raises(UserError, match="no answer from AWS in us-east-1"),
    ):
        collect(make_session(max_attempts=1, read_timeout_s=0.3))


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "ExpiredToken", "OptInRequired"])
def test_credentials_that_aws_does_not_take(fake, monkeypatch, code):
    monkeypatch.setattr("fakeaws._refusal", lambda _: AwsError(code, "No."))
    with (
        fake.faulty({("sts", "GetCallerIdentity"): Refused()}),
        pytest.raises(UserError, match=f"did not take the credentials in us-east-1 .{code}"),
    ):
        collected(fake)


def test_a_refused_identity_alone_stops_nothing(fake):
    with fake.faulty({("sts", "GetCallerIdentity"): Refused()}):
        capture = collected(fake)

    assert capture.meta["account"] is None
    assert capture.complete("batch", "DescribeComputeEnvironments")


def test_collect_to_file_writes_what_was_collected(fake, tmp_path):
    lines = []
    path = tmp_path / "c.json.gz"

    capture = collect_to_file(None, None, None, None, 30, path, lines.append)

    assert load_capture(str(path)).calls == capture.calls
    assert capture.meta["days"] == 30
    assert len(lines) == 2 + len(WANTED)
    assert load_capture(str(path)).meta["seconds_spent"] > 0


def test_collect_to_file_looks_at_the_directory_before_it_asks_aws(surroundings, tmp_path):
    with pytest.raises(UserError, match="in a directory that exists"):
        collect_to_file(None, "us-east-1", None, None, 7, tmp_path / "no" / "c.json", None)


# --- the table ------------------------------------------------------------------------------------


def test_rows_follow_rows_that_come_in_earlier_waves():
    level = {row.name: number for number, wave in enumerate(waves()) for row in wave}

    assert set(level) == {row.name for row in WANTED}
    for row in WANTED:
        assert all(level[earlier] < level[row.name] for earlier in row.follows + row.after)


def test_a_large_account_costs_batches_not_resources():
    jobs = [{"jobId": f"j{n}", "status": "FAILED", "createdAt": n} for n in range(1000)]
    instances = [{"InstanceId": f"i-{n}", "ImageId": "ami-1"} for n in range(1000)]
    volumes = [{"VolumeId": f"vol-{n}", "VolumeType": "gp2"} for n in range(1000)]
    now = datetime(2026, 11, 21, tzinfo=UTC)
    known = Known(
        "eu-west-1",
        now,
        now,
        [
            Call("batch", "ListJobs", {}, ({"jobSummaryList": jobs},)),
            Call("ec2", "DescribeInstances", {}, ({"Reservations": [{"Instances": instances}]},)),
            Call("ec2", "DescribeVolumes", {}, ({"Volumes": volumes},)),
        ],
    )

    asked = {row.name: len(list(row.questions(known))) for row in WANTED}

    assert asked["job details"] == 10
    assert asked["volumes"] == 5
    assert asked["volume metrics"] == 4
    assert asked["machine images"] == 1
    assert asked["user data"] == questions_ec2.USER_DATA_PER_GROUP


@pytest.mark.parametrize(
    ("pattern", "may"),
    [
        ('{"source": ["aws.batch"]}', True),
        ('{"source": ["aws.ec2", "aws.batch"], "detail-type": ["x"]}', True),
        ('{"source": [{"prefix": "aws."}]}', True),
        ('{"detail-type": ["Batch Job State Change"]}', True),
        ('{"account": ["123456789012"]}', True),
        ("{not json", True),
        ('{"source": ["aws.ec2"]}', False),
        (None, False),  # a schedule
        ("[]", False),
    ],
)
def test_rules_that_may_match_batch_events(pattern, may):
    assert may_match_batch(pattern) is may
