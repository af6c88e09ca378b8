import pytest

from builders import GONE, LIMITED, answer, find

WAITING = {"status": "RUNNABLE", "attempts": []}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"queue": {"status": "INVALID"}}, "FAIL"),
        ({"queue": {"status": "DELETING"}}, "NOT_APPLICABLE"),
        ({"queue": {"state": GONE}}, "UNKNOWN"),
        ({"queue": {"state": "DISABLED"}}, "NOT_APPLICABLE"),
        # A disabled queue still runs what is in it.
        ({"queue": {"state": "DISABLED"}, "jobs": [WAITING]}, "PASS"),
        ({"environment": {"state": "DISABLED"}}, "FAIL"),
        ({"environment": {"status": "INVALID"}}, "FAIL"),
        ({"environment": {"status": "UPDATING"}}, "PASS"),
        ({"environment": {"status": "CREATING"}}, "FAIL"),
        ({"environment": {"status": GONE}}, "UNKNOWN"),
        ({"queue": {"computeEnvironmentOrder": []}}, "FAIL"),
    ],
)
def test_queue_leads_nowhere(changes, expected):
    assert answer("SCHED-008", **changes) == (expected, "critical")


def test_a_queue_says_what_is_dead_behind_it():
    jobs = [WAITING, WAITING, {}]

    (finding,) = find("SCHED-008", environment={"state": "DISABLED"}, jobs=jobs)

    assert finding.message == "leads nowhere: prod is DISABLED and VALID; 2 jobs wait"


def limits(*reasons):
    return {"jobStateTimeLimitActions": [{"reason": reason} for reason in reasons]}


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        (limits(*LIMITED), ("PASS", "medium")),
        (limits(*LIMITED[:2]), ("FAIL", "low")),
        (limits("CAPACITY:SOMETHING_ELSE"), ("FAIL", "medium")),
        (limits(), ("FAIL", "medium")),
        ({"jobStateTimeLimitActions": GONE}, ("FAIL", "medium")),
        ({"jobStateTimeLimitActions": "none"}, ("UNKNOWN", "medium")),
    ],
)
def test_no_time_limit(queue, expected):
    assert answer("SCHED-013", queue=queue) == expected


def test_the_reasons_that_lack_a_limit_are_named():
    (finding,) = find("SCHED-013", queue=limits(LIMITED[0], LIMITED[2]))

    assert finding.message == f"nothing ends a blockade by {LIMITED[1]}"
