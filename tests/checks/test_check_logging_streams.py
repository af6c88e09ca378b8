from dataclasses import replace

import pytest

from builders import GONE, answer, find, make_capture, make_job

FULL = "CannotCreateContainerError: Error response from daemon: no space left on device"


def never(reason=FULL, **change):
    """A failed job whose only attempt has no start."""
    attempt = make_job(0, {"reason": reason})["attempts"][0]
    attempt = {key: value for key, value in attempt.items() if key != "startedAt"} | change
    attempt["container"] = attempt["container"] | {"exitCode": None}
    return {"status": "FAILED", "attempts": [attempt]}


def logged():
    job = never()
    job["attempts"][0]["container"]["logStreamName"] = "resize/default/1"
    return job


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}], "PASS"),
        ([never()] * 3, "FAIL"),
        ([never()] * 2, "PASS"),
        ([never()] * 3 + [{}] * 297, "FAIL"),  # exactly one in a hundred
        ([never()] * 3 + [{}] * 298, "PASS"),
        ([logged()] * 3, "PASS"),
        ([{"status": "FAILED", "reason": FULL}] * 3, "PASS"),  # they ran
        ([never(None, statusReason="Essential container in task exited")] * 3, "PASS"),
        ([never(None, statusReason="Task failed to start")] * 3, "FAIL"),
        ([{"status": "RUNNABLE", "attempts": [], "startedAt": GONE}], "NOT_APPLICABLE"),
    ],
)
def test_attempts_without_a_log(jobs, expected):
    assert answer("LOG-011", jobs=jobs) == (expected, "low")


def test_what_kept_them_from_running_is_counted():
    pull = never("CannotPullContainerError: i/o timeout")

    (finding,) = find("LOG-011", jobs=[{}] * 5 + [pull] + [never()] * 2)

    assert finding.message == (
        "3 of 8 attempts failed before they ran (full disk 2, image not pulled 1): there is no"
        " log of them"
    )
    assert finding.evidence[1].value == FULL
    assert finding.evidence[1].path.endswith("jobs[6].attempts[0].container.reason")


def test_a_failed_job_that_was_only_listed_is_unknown():
    capture = make_capture(jobs=[{}, never()])
    calls = [
        replace(call, pages=({"jobs": call.pages[0]["jobs"][:1]},))
        if call.operation == "DescribeJobs"
        else call
        for call in capture.calls
    ]

    (finding,) = find("LOG-011", replace(capture, calls=tuple(calls)))

    assert (finding.status, finding.missing) == ("UNKNOWN", ("batch:DescribeJobs",))
