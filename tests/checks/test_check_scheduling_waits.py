import pytest

from builders import GONE, answer, failed, find, make_capture

WAITING = {"status": "RUNNABLE", "attempts": []}
FULL = {"computeResources": {"desiredvCpus": 256}}
RUNNING = {"status": "RUNNING", "attempts": []}
BLOCKED = WAITING | {"statusReason": "UNDETERMINED - Batch job is blocked"}


def created(minutes_ago, **change):
    from builders import NOON_MS

    return WAITING | {"createdAt": NOON_MS - int(minutes_ago * 60_000)} | change


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (0, ("PASS", "high")),
        (15, ("PASS", "high")),
        (15.1, ("FAIL", "medium")),
        (60, ("FAIL", "medium")),
        (60.1, ("FAIL", "high")),
    ],
)
def test_how_long_the_head_may_stand(minutes, expected):
    assert answer("SCHED-002", jobs=[WAITING], front=["job-0"], front_min=minutes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environment": FULL, "jobs": [WAITING, RUNNING]}, "PASS"),  # a matter of capacity
        ({"environment": FULL, "jobs": [WAITING]}, "FAIL"),  # full of instances that do nothing
        ({"jobs": [WAITING, RUNNING]}, "FAIL"),
        ({"jobs": [BLOCKED]}, "NOT_APPLICABLE"),  # SCHED-001 says it
        ({"jobs": [{}]}, "FAIL"),  # the head is a job that was not described
        ({"jobs": [WAITING], "meta": {"taken_at": GONE}}, "UNKNOWN"),
    ],
)
def test_a_head_that_stands_for_hours(changes, expected):
    assert answer("SCHED-002", front=["job-0"], front_min=300, **changes)[0] == expected


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}], "NOT_APPLICABLE"),
        ([created(15)], "PASS"),
        ([created(15.1)], "UNKNOWN"),  # listed as RUNNABLE, and not in the snapshot
        ([created(1, createdAt=GONE)], "UNKNOWN"),
    ],
)
def test_a_snapshot_without_jobs(jobs, expected):
    assert answer("SCHED-002", jobs=jobs)[0] == expected


def test_the_head_is_named_with_its_age():
    jobs = [WAITING | {"jobName": "stuck"}]

    (finding,) = find("SCHED-002", jobs=jobs, front=["job-0"], front_min=300)

    assert finding.message == "job stuck has stood at its head for 5 h, and AWS gives no reason"


# --- SCHED-012 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desired", "minutes", "expected"),
    [
        (243, 300, "PASS"),  # 95 % of 256 is 243.2
        (244, 300, "FAIL"),
        (256, 30, "PASS"),
        (256, 30.1, "FAIL"),
    ],
)
def test_backlog_at_ceiling(desired, minutes, expected):
    environment = {"computeResources": {"desiredvCpus": desired}}

    assert answer("SCHED-012", environment=environment, jobs=[created(minutes)])[0] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": [{}]}, "NOT_APPLICABLE"),
        ({"environment": {"computeResources": {"maxvCpus": GONE}}}, "UNKNOWN"),
        ({"environment": {"computeResources": {"desiredvCpus": GONE}}}, "UNKNOWN"),
        ({"environment": {"type": "UNMANAGED", "computeResources": GONE}}, "NOT_APPLICABLE"),
        ({"environment": FULL, "meta": {"taken_at": GONE}}, "UNKNOWN"),
        ({"queue": {"computeEnvironmentOrder": []}}, "UNKNOWN"),
    ],
)
def test_where_a_backlog_can_not_be_told(changes, expected):
    assert answer("SCHED-012", **({"jobs": [created(300)]} | changes))[0] == expected


def test_a_backlog_says_how_long_it_takes():
    """Array jobs count with all their children: 1024 vCPUs by 4 min on 256 vCPUs."""
    jobs = [{}] * 3 + [created(300, arrayProperties={"size": 1024})]

    (finding,) = find("SCHED-012", environment=FULL, jobs=jobs)

    assert "the oldest for 5 h, with all 256 vCPUs in use" in finding.message
    assert "some 16 min to start" in finding.message


# --- SCHED-020 ----------------------------------------------------------------------------------


def starting(minutes, **change):
    """A job whose ECS task was made so many minutes before noon."""
    from datetime import UTC, datetime, timedelta

    made = datetime(2026, 11, 22, 12, tzinfo=UTC) - timedelta(minutes=minutes)
    job = {"status": "STARTING", "attempts": [], "container": {"taskArn": "task-0"}}
    task = {"taskArn": "task-0", "createdAt": made.isoformat(), "containers": []}
    return {"jobs": [job], "tasks": [task | change]}


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (10, ("PASS", "high")),
        (10.1, ("FAIL", "medium")),
        (30, ("FAIL", "medium")),
        (30.1, ("FAIL", "high")),
    ],
)
def test_how_long_a_job_may_start(minutes, expected):
    assert answer("SCHED-020", **starting(minutes)) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "agent or Docker hangs"),
        ({"pullStartedAt": "2026-11-22T11:00:00Z"}, "still being pulled"),
        (
            {"pullStartedAt": "2026-11-22T11:00:00Z", "pullStoppedAt": "2026-11-22T11:01:00Z"},
            "Docker does not start it",
        ),
    ],
)
def test_what_a_job_that_starts_waits_for(change, words):
    (finding,) = find("SCHED-020", **starting(60, **change))

    assert words in finding.message


@pytest.mark.parametrize(
    ("minutes", "expected"), [(5, "PASS"), (10.1, "UNKNOWN"), (None, "UNKNOWN")]
)
def test_without_its_task_only_a_young_job_is_told(minutes, expected):
    job = created(minutes or 0, status="STARTING")
    if minutes is None:
        job["createdAt"] = GONE

    assert answer("SCHED-020", jobs=[job])[0] == expected


def test_nothing_starts():
    assert answer("SCHED-020", jobs=[{}])[0] == "NOT_APPLICABLE"


def test_a_job_that_hangs_is_seen_though_tasks_were_refused():
    capture = failed(make_capture(**starting(60)), "ecs:ListTasks")

    (finding,) = find("SCHED-020", capture)

    assert finding.status == "FAIL"
