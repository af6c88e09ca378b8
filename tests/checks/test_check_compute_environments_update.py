import pytest

from builders import GONE, answer, find, make_job

OWN_ROLE = "arn:aws:iam::111122223333:role/service-role/AWSBatchServiceRole"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "PASS"),
        ({"serviceRole": OWN_ROLE}, "FAIL"),
        ({"serviceRole": GONE}, "UNKNOWN"),
        ({"serviceRole": OWN_ROLE, "type": "UNMANAGED"}, "NOT_APPLICABLE"),
        ({"serviceRole": OWN_ROLE, "computeResources": {"type": "FARGATE"}}, "FAIL"),
    ],
)
def test_own_service_role(environment, expected):
    assert answer("CE-003", environment=environment) == (expected, "medium")


# --- CE-004 -------------------------------------------------------------------------------------


def template(pinned=None, latest=1):
    reference = {"computeResources": {"launchTemplate": {"version": pinned or "$Latest"}}}
    return {"environment": reference, "template": {"LatestVersionNumber": latest}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (template(), ("PASS", "medium")),
        (template("1"), ("PASS", "medium")),
        (template("1", latest=2), ("FAIL", "low")),
        (template("1", latest=GONE), ("UNKNOWN", "medium")),
        (template("3"), ("UNKNOWN", "medium")),  # that version was not answered
        (
            {"environment": {"computeResources": {"launchTemplate": GONE}}},
            ("NOT_APPLICABLE", "medium"),
        ),
        ({"group": {"AutoScalingGroupName": "other-asg-1"}}, ("NOT_APPLICABLE", "medium")),
        ({"group": {"MixedInstancesPolicy": GONE}}, ("UNKNOWN", "medium")),
    ],
)
def test_template_is_newer(changes, expected):
    assert answer("CE-004", **changes) == expected


@pytest.mark.parametrize(
    ("made_at", "expected"),
    [
        ("2026-10-01T00:00:00Z", "PASS"),  # as the copy
        ("2026-10-01T00:00:01Z", "FAIL"),
        (GONE, "UNKNOWN"),
    ],
)
def test_when_the_users_version_was_made(made_at, expected):
    from dataclasses import replace

    from builders import TEMPLATE, make_capture, merged

    capture, calls = make_capture(), []
    for call in capture.calls:
        if call.operation == "DescribeLaunchTemplateVersions":
            versions = [
                merged(each, {"CreateTime": made_at})
                if each["LaunchTemplateId"] == TEMPLATE
                else each
                for each in call.pages[0]["LaunchTemplateVersions"]
            ]
            call = replace(call, pages=({"LaunchTemplateVersions": versions},))
        calls.append(call)

    (finding,) = find("CE-004", replace(capture, calls=tuple(calls)))

    assert finding.status == expected


# --- CE-005 -------------------------------------------------------------------------------------


def lasting(minutes):
    """Jobs whose attempts ran for so many minutes."""
    job = make_job(0)
    attempt = job["attempts"][0]
    return {"attempts": [attempt | {"stoppedAt": attempt["startedAt"] + int(minutes * 60_000)}]}


def policy(**change):
    return {"updatePolicy": change}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": [lasting(30)]}, "PASS"),
        ({"jobs": [lasting(30.1)]}, "FAIL"),
        ({"jobs": [lasting(60)], "environment": policy(jobExecutionTimeoutMinutes=60)}, "PASS"),
        ({"jobs": [lasting(60)], "environment": policy(jobExecutionTimeoutMinutes=GONE)}, "FAIL"),
        ({"environment": policy(terminateJobsOnUpdate=True)}, "FAIL"),
        ({"environment": {"updatePolicy": GONE}}, "PASS"),  # AWS's default: 30 minutes
        ({"jobs": []}, "PASS"),
        (
            {"environment": {"computeResources": {"allocationStrategy": "BEST_FIT"}}},
            "NOT_APPLICABLE",
        ),
        ({"jobs": [{"jobDefinition": "gone:1", "container": GONE}]}, "UNKNOWN"),
    ],
)
def test_update_kills_jobs(changes, expected):
    assert answer("CE-005", **changes) == (expected, "medium")


# --- CE-009 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "high")),
        ({"environment": {"status": "INVALID"}}, ("PASS", "high")),  # CE-001 says it
        ({"environment": {"status": GONE}}, ("UNKNOWN", "high")),
        ({"environment": {"status": "CREATING"}}, ("UNKNOWN", "high")),
        ({"environment": {"status": "DELETING"}}, ("FAIL", "high")),  # a queue still names it
        (
            {"environment": {"status": "UPDATING"}, "meta": {"taken_at": "2026-10-01T01:00:00Z"}},
            ("PASS", "high"),
        ),
        (
            {"environment": {"status": "UPDATING"}, "meta": {"taken_at": "2026-10-01T01:00:01Z"}},
            ("FAIL", "medium"),
        ),
        (
            {
                "environment": {"status": "UPDATING"} | policy(jobExecutionTimeoutMinutes=120),
                "meta": {"taken_at": "2026-10-01T02:30:00Z"},
            },
            ("PASS", "high"),
        ),
        (
            {"environment": {"status": "UPDATING"}, "group": {"MixedInstancesPolicy": GONE}},
            ("UNKNOWN", "high"),
        ),
    ],
)
def test_change_is_stuck(changes, expected):
    assert answer("CE-009", **changes) == expected
