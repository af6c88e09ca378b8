from dataclasses import replace

import pytest

from batchguide.account import Attempt
from batchguide.checks.endings import (
    DOCKER,
    FULL_DISK,
    HOST_LOST,
    NO_COMMAND,
    NO_IMAGE,
    NOT_STARTED,
    OUT_OF_MEMORY,
    PULL,
    TIMED_OUT,
    ending_of,
    is_permanent,
)
from builders import GONE, NOON_MS, answer, find, make_account, make_capture, make_job

ORDINARY = "Essential container in task exited"
HOST = "Host EC2 (instance i-0123) terminated."
LATE = "Job attempt duration exceeded timeout"
OOM = "OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.parametrize(
    ("status_reason", "reason", "exit_code", "ending"),
    [
        (ORDINARY, None, 0, None),
        (ORDINARY, None, None, None),
        (ORDINARY, None, 3, "exit code 3"),
        (ORDINARY, None, 137, OUT_OF_MEMORY),
        ("Terminated by pat", None, 137, "exit code 137"),  # somebody asked for it
        (ORDINARY, OOM, 137, OUT_OF_MEMORY),
        (ORDINARY, None, 127, NO_COMMAND),
        (HOST, None, 137, HOST_LOST),
        (LATE, None, 137, TIMED_OUT),
        (ORDINARY, "CannotPullContainerError: manifest for x:9 not found", None, NO_IMAGE),
        (ORDINARY, "CannotPullContainerError: pull access denied for x", None, NO_IMAGE),
        (ORDINARY, "CannotPullContainerError: i/o timeout", None, PULL),
        (ORDINARY, "CannotPullContainerError: no space left on device", None, FULL_DISK),
        (ORDINARY, "DockerTimeoutError: Could not transition to created", None, DOCKER),
        (
            ORDINARY,
            'CannotStartContainerError: exec: "x": executable file not found',
            0,
            NO_COMMAND,
        ),
        (ORDINARY, "CannotCreateContainerError: invalid mount", None, NOT_STARTED),
        ("Task failed to start", None, None, NOT_STARTED),
    ],
)
def test_how_an_attempt_ended(status_reason, reason, exit_code, ending):
    (job,) = make_account(jobs=[{}]).jobs
    attempt = Attempt(None, None, None, None, exit_code, reason, status_reason, None)

    assert ending_of(replace(job, attempts=(attempt,)), attempt) == ending


def test_what_comes_again():
    permanent = {OUT_OF_MEMORY, FULL_DISK, NO_IMAGE, NO_COMMAND, "exit code 1"}

    assert all(map(is_permanent, permanent))
    assert not any(map(is_permanent, [HOST_LOST, PULL, DOCKER, TIMED_OUT, NOT_STARTED]))


def tried(*codes, status="FAILED", status_reason=ORDINARY, **change):
    """A job with an attempt an exit code, of an hour each."""
    attempts = [
        {
            "container": {"exitCode": code},
            "startedAt": NOON_MS - (9 - at) * 3_600_000,
            "stoppedAt": NOON_MS - (8 - at) * 3_600_000,
            "statusReason": status_reason,
        }
        for at, code in enumerate(codes)
    ]
    return {"status": status, "attempts": attempts, **change}


RESCUED = tried(1, 0, status="SUCCEEDED")


# --- JD-004 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}], "PASS"),
        ([tried(1, 1)] * 3, "FAIL"),
        ([tried(1, 1)] * 2, "PASS"),
        ([tried(1, 1)] * 3 + [RESCUED] * 11, "FAIL"),
        ([tried(1, 1)] * 3 + [RESCUED] * 12, "PASS"),  # exactly a fifth
        ([tried(1, 2)] * 9, "PASS"),  # not the same
        ([tried(1)] * 9, "PASS"),  # one attempt
        ([tried(137, 137, status_reason=HOST)] * 9, "PASS"),  # may well go away
        ([tried(1, 1, status="SUCCEEDED")] * 9, "PASS"),
    ],
)
def test_the_same_failure_again(jobs, expected):
    assert answer("JD-004", jobs=jobs) == (expected, "high")


def test_what_the_repetitions_cost():
    (finding,) = find("JD-004", jobs=[tried(1, 1, 1)] * 3 + [tried(5, 5)])

    assert finding.message == (
        "4 of 4 jobs tried more than once failed the same way each time, most by exit code 1 (3):"
        " 7.0 vCPU-hours for nothing"
    )
    assert finding.evidence[1].path.endswith(".attempts[0].container.exitCode")


def only_described(capture, wanted):
    """The capture in which only some jobs have their record."""
    calls = [
        replace(call, pages=({"jobs": [job for job in call.pages[0]["jobs"] if wanted(job)]},))
        if call.operation == "DescribeJobs"
        else call
        for call in capture.calls
    ]
    return replace(capture, calls=tuple(calls))


def test_a_sample_of_succeeded_jobs_stands_for_all():
    """12 rescued jobs were made, AWS was asked about 4 of them."""
    jobs = [tried(1, 1)] * 3 + [RESCUED] * 12
    capture = only_described(
        make_capture(jobs=jobs), lambda job: int(job["jobId"].removeprefix("job-")) < 7
    )

    (finding,) = find("JD-004", capture)

    assert finding.status == "PASS"
    assert finding.evidence[0].value == 15


@pytest.mark.parametrize("check_id", ["JD-003", "JD-004", "JD-007", "JD-012"])
def test_a_failed_job_without_its_record_is_unknown(check_id):
    capture = make_capture(jobs=[{}, tried(1)])

    (finding,) = find(check_id, only_described(capture, lambda job: job["jobId"] == "job-0"))

    assert finding.status == "UNKNOWN"
    assert "batch:DescribeJobs" in finding.missing


# --- JD-007 ---------------------------------------------------------------------------------------

KILLED = {"status": "FAILED", "reason": OOM}


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}], ("PASS", "high")),
        ([KILLED] * 3 + [{}] * 500, ("FAIL", "high")),
        ([KILLED] * 2 + [{}] * 199, ("PASS", "high")),
        ([KILLED] * 2 + [{}] * 198, ("FAIL", "high")),  # exactly one in a hundred
        ([{"reason": OOM}], ("FAIL", "high")),  # a retry went well
        ([tried(137)], ("FAIL", "medium")),  # nobody says that it was the memory
        ([tried(137, status_reason=HOST)], ("PASS", "high")),
        ([tried(137, status_reason=LATE)], ("PASS", "high")),
        ([tried(137, status_reason="Terminated by pat")], ("PASS", "high")),
        ([{"status": "RUNNABLE", "attempts": []}], ("NOT_APPLICABLE", "high")),
    ],
)
def test_killed_for_memory(jobs, expected):
    assert answer("JD-007", jobs=jobs) == expected


def test_what_memory_was_asked_for():
    (finding,) = find("JD-007", jobs=[{}, KILLED])

    assert finding.message == "1 of 2 attempts ran out of their memory of 2,048 MiB"
    assert finding.evidence[0].value == OOM


# --- JD-012 ---------------------------------------------------------------------------------------

DEAF = tried(137, status_reason=LATE)
POLITE = tried(143, status_reason=LATE)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}], "PASS"),
        ([DEAF] * 3, "FAIL"),
        ([DEAF] * 2, "PASS"),
        ([DEAF] * 3 + [POLITE] * 2, "FAIL"),
        ([DEAF] * 3 + [POLITE] * 3, "PASS"),
        ([tried(137, status_reason=HOST)] * 3, "FAIL"),
        ([tried(None, status_reason=HOST)] * 3, "PASS"),  # the instance was gone before it could
        ([tried(137)] * 3, "PASS"),  # nobody told it to stop
    ],
)
def test_sigterm_ignored(jobs, expected):
    assert answer("JD-012", jobs=jobs) == (expected, "medium")


# --- JD-009 ---------------------------------------------------------------------------------------


def short(seconds, made_ms=NOON_MS, **change):
    job = make_job(0, {"createdAt": made_ms})
    attempt = job["attempts"][0]
    attempt["stoppedAt"] = attempt["startedAt"] + int(seconds * 1000)
    return {"attempts": [attempt], "createdAt": made_ms, **change}


MANY = {"arrayProperties": {"size": 100}, "attempts": [], "createdAt": NOON_MS}


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([short(59)] * 101, "FAIL"),
        ([short(59)] * 100, "PASS"),
        ([short(60)] * 101, "PASS"),
        ([short(59)] * 51 + [short(600)] * 50, "FAIL"),  # more than half are short
        ([short(59)] * 50 + [short(600)] * 51, "PASS"),
        ([short(59)] * 60 + [short(59, NOON_MS - 86_400_000)] * 60, "PASS"),  # two days
        ([short(59), MANY], "FAIL"),  # the children of an array count
        ([short(59), MANY | {"jobId": "job-0:1"}], "PASS"),  # its parent counts for a child
        ([tried(1)], "NOT_APPLICABLE"),
    ],
)
def test_very_short_jobs(jobs, expected):
    assert answer("JD-009", jobs=jobs) == (expected, "medium")


def test_how_long_jobs_ran_that_were_only_listed_is_unknown():
    (finding,) = find("JD-009", only_described(make_capture(jobs=[{}]), lambda job: False))

    assert (finding.status, finding.missing) == ("UNKNOWN", ("batch:DescribeJobs",))


# --- JD-010 ---------------------------------------------------------------------------------------


def burst(count, span_s, **change):
    made = [NOON_MS + int(at * span_s * 1000 / max(count, 1)) for at in range(count)]
    return [{"createdAt": at, **change} for at in made]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (burst(250, 10), "PASS"),  # 25 a second, half of the limit
        (burst(251, 9.9), "FAIL"),
        (burst(400, 20), "PASS"),
        ([*burst(250, 9), {"createdAt": NOON_MS + 10_000}], "PASS"),  # ten seconds later
        ([*burst(250, 9), {"createdAt": NOON_MS + 9_999}], "FAIL"),
        (
            [{**each, "jobId": f"job-0#{at}"} for at, each in enumerate(burst(251, 9))],
            "NOT_APPLICABLE",
        ),
        (burst(251, 9.9, arrayProperties={"size": 9}), "NOT_APPLICABLE"),
        (burst(251, 9.9, createdAt=GONE), "NOT_APPLICABLE"),
        (burst(1, 1), "PASS"),
    ],
)
def test_submitted_one_by_one(jobs, expected):
    assert answer("JD-010", jobs=jobs) == (expected, "medium")


def test_a_burst_is_told_with_its_rate_its_time_and_its_definition():
    (finding,) = find("JD-010", jobs=burst(300, 9))

    assert finding.message == (
        "up to 30.0 submissions a second over 10 s of the 50 that Batch takes; 300 of definition"
        " resize, from 2026-11-22 12:00:00 UTC"
    )
    assert finding.evidence[0].value == 300
