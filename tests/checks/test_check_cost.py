from dataclasses import replace

import pytest

from builders import DEFINITION_ARN, GONE, NOON_MS, answer, emptied, find, make_capture

ORDINARY = "Essential container in task exited"
HOUR_MS = 3_600_000


def ran(hours, code=0, status_reason=ORDINARY, **change):
    """A job of 1 vCPU with one attempt."""
    stopped = NOON_MS - HOUR_MS + round(hours * HOUR_MS)
    attempt = {
        "container": {"exitCode": code},
        "startedAt": NOON_MS - HOUR_MS,
        "stoppedAt": stopped,
        "statusReason": status_reason,
    }
    return {
        "status": "FAILED" if code else "SUCCEEDED",
        "attempts": [attempt],
        "startedAt": NOON_MS - HOUR_MS,
        "stoppedAt": stopped,
        **change,
    }


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([ran(100)], ("PASS", "medium")),
        ([ran(85), ran(15, 1)], ("FAIL", "low")),  # exactly 15 %
        ([ran(84), ran(16, 1)], ("FAIL", "medium")),
        ([ran(95), ran(5, 1)], ("PASS", "medium")),  # exactly 5 %
        ([ran(94), ran(6, 1)], ("FAIL", "low")),
        ([ran(1), ran(0.99, 1)], ("PASS", "medium")),  # not worth a morning
        ([ran(1), ran(1, 1)], ("FAIL", "medium")),
        ([ran(1, 1, attempts=[])], ("NOT_APPLICABLE", "medium")),
        ([], ("NOT_APPLICABLE", "medium")),
    ],
)
def test_hours_of_failures(jobs, expected):
    assert answer("COST-010", jobs=jobs) == expected


def test_the_kinds_of_failure_are_told_with_what_they_took():
    lost = ran(3, 137, "Host EC2 (instance i-0123) terminated.")

    (finding,) = find("COST-010", jobs=[ran(10), ran(2, 1), lost, ran(1, 1)])

    assert finding.message == (
        "6.0 of 16.0 vCPU-hours went to failed attempts (38%): exit code 1 3.0, instance lost 3.0"
    )
    assert finding.evidence[1].value == 16


def test_parts_of_arrays_are_left_out_on_both_sides():
    """AWS was asked about failed children alone: beside nothing, they would be everything."""
    child = ran(50, 1, jobId="job-9:7")
    parent = ran(50, jobId="job-9", arrayProperties={"size": 8})

    assert answer("COST-010", jobs=[ran(1), child, parent]) == ("PASS", "medium")


def only_first_described(jobs):
    capture = make_capture(jobs=jobs)
    summaries = [
        {**job, **{name: each[name] for name in ("startedAt", "stoppedAt")}}
        for job, each in zip(
            capture.items("batch", "ListJobs", "jobSummaryList"),
            capture.items("batch", "DescribeJobs", "jobs"),
            strict=True,
        )
    ]
    pages = {"ListJobs": {"jobSummaryList": summaries}}
    first = next(iter(capture.items("batch", "DescribeJobs", "jobs")))
    pages["DescribeJobs"] = {"jobs": [first]}
    calls = (
        replace(call, pages=(pages[call.operation],)) if call.operation in pages else call
        for call in capture.calls
    )
    return replace(capture, calls=tuple(calls))


def test_succeeded_jobs_that_were_only_listed_count_with_their_definition():
    jobs = [ran(1, 1), *[ran(1)] * 19]

    (finding,) = find("COST-010", only_first_described(jobs))

    assert finding.status == "PASS"
    assert finding.evidence[1].value == pytest.approx(20)


def test_a_share_is_unknown_when_others_have_no_known_size():
    gone = DEFINITION_ARN.replace("resize", "gone")
    jobs = [ran(2, 1), *[ran(1, jobDefinition=gone)] * 9]

    (finding,) = find("COST-010", only_first_described(jobs))

    assert finding.status == "UNKNOWN"
    assert "batch:DescribeJobDefinitions" in finding.missing


def test_the_size_of_a_job_is_its_own_where_it_was_described():
    capture = emptied(make_capture(jobs=[ran(2)]), "batch:DescribeJobDefinitions")

    (finding,) = find("COST-010", capture)

    assert (finding.status, finding.evidence[1].value) == ("PASS", 2)


def test_a_failed_job_that_was_only_listed_is_unknown():
    (finding,) = find("COST-010", only_first_described([ran(1), ran(1, 1)]))

    assert (finding.status, finding.missing) == ("UNKNOWN", ("batch:DescribeJobs",))


@pytest.mark.parametrize("odd", [GONE, None, "soon", NOON_MS - 9 * HOUR_MS])
def test_an_attempt_without_a_sound_end_takes_no_hours(odd):
    job = ran(5, 1)
    job["attempts"] = [job["attempts"][0] | {"stoppedAt": None if odd is GONE else odd}]

    assert answer("COST-010", jobs=[ran(1), job]) == ("PASS", "medium")
