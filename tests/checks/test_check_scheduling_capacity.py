from dataclasses import replace

import pytest

from batchguide.account import Account
from batchguide.capture import CallError
from batchguide.checks import run_checks
from builders import GONE, GROUP, INSTANCE, answer, emptied, find, make_activity, make_capture

WAITING = {"status": "RUNNABLE", "attempts": []}
FAILED = {"StatusCode": "Failed", "StatusMessage": "VcpuLimitExceeded - more vCPUs than 32"}
NONE_JOINED = "ecs:ListContainerInstances", "ecs:DescribeContainerInstances"


def failing(**change):
    return make_activity(**(FAILED | change))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "critical")),
        ({"activities": []}, ("PASS", "critical")),  # nothing was launched, and nothing failed
        ({"activities": [failing()]}, ("FAIL", "medium")),  # nobody waits for it
        ({"activities": [failing()], "jobs": [WAITING]}, ("FAIL", "critical")),
        (
            {"activities": [failing(StartTime="2026-11-21T12:00:00Z")], "jobs": [WAITING]},
            ("FAIL", "critical"),
        ),
        ({"activities": [failing(StartTime="2026-11-21T11:59:59Z")]}, ("PASS", "critical")),
        ({"activities": [make_activity(StatusCode="Cancelled")]}, ("FAIL", "medium")),
        # The newest that has ended counts.
        (
            {"activities": [failing(StartTime="2026-11-22T11:00:00Z"), make_activity()]},
            ("PASS", "critical"),
        ),
        (
            {"activities": [failing(), make_activity(StartTime="2026-11-22T11:00:00Z")]},
            ("FAIL", "medium"),
        ),
        (
            {
                "activities": [
                    failing(StartTime="2026-11-22T11:00:00Z"),
                    make_activity(StatusCode="PreInService"),
                ]
            },
            ("FAIL", "medium"),
        ),
        ({"activities": [failing(Description="Terminating i-1")]}, ("PASS", "critical")),
        ({"activities": [failing()], "meta": {"taken_at": GONE}}, ("UNKNOWN", "critical")),
        ({"group": {"AutoScalingGroupName": "other-asg-1"}}, ("NOT_APPLICABLE", "critical")),
    ],
)
def test_launches_fail(changes, expected):
    assert answer("SCHED-009", **changes) == expected


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("We currently do not have sufficient m5.large capacity", "AWS has none left"),
        ("You have requested more vCPU capacity than your current vCPU limit", "quota"),
        ("MaxSpotInstanceCountExceeded", "Spot quota"),
        ("The image id 'ami-1' InvalidAMIID.NotFound", "AMI is gone"),
        ("InvalidBlockDeviceMapping: snapshot is larger", "volumes do not suit"),
        ("InsufficientFreeAddressesInSubnet", "no free address"),
        ("UnauthorizedOperation: You are not authorized", "lacks a permission"),
        ("Client.InternalError: Client error on launch", "key can't be used"),
        ("Your requested instance type is not supported in us-east-1e", "not offered"),
        ("The specified launch template does not exist", "launch template"),
        ("Something nobody has seen", "Something nobody has seen"),
        (GONE, "AWS gives no reason"),
    ],
)
def test_why_a_launch_fails(said, meaning):
    change = {"StatusMessage": said}
    activity = {k: v for k, v in failing(**change).items() if v is not GONE}

    (finding,) = find("SCHED-009", activities=[activity])

    assert meaning in finding.message


def test_activities_of_another_group_alone_tell_nothing():
    """One group's call was answered, this one's was refused."""
    capture = make_capture()
    error = CallError("AccessDenied", "no", "autoscaling:DescribeScalingActivities", "refused")
    calls = []
    for call in capture.calls:
        if call.operation == "DescribeScalingActivities":
            calls.append(replace(call, params={"AutoScalingGroupName": "another"}))
            call = replace(call, pages=(), error=error)
        calls.append(call)

    account = Account.from_capture(replace(capture, calls=tuple(calls)))
    (finding,) = run_checks(account, ids=["SCHED-009"])

    assert (finding.status, finding.missing) == (
        "UNKNOWN",
        ("autoscaling:DescribeScalingActivities",),
    )


# --- SCHED-010 ----------------------------------------------------------------------------------


def none_joined(**changes):
    scaled_in = {"computeResources": {"desiredvCpus": 0}}
    capture = make_capture(**({"environment": scaled_in} | changes))
    for name in NONE_JOINED:
        capture = emptied(capture, name)
    return capture


@pytest.mark.parametrize(
    ("launched", "expected"),
    [("2026-11-22T11:50:00Z", "PASS"), ("2026-11-22T11:49:59Z", "FAIL"), (GONE, "UNKNOWN")],
)
def test_how_long_an_instance_may_take_to_join(launched, expected):
    (finding,) = find("SCHED-010", none_joined(instance={"LaunchTime": launched}))

    assert (finding.status, finding.severity) == (expected, "critical")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"instance": {"State": {"Name": "stopped"}}}, "PASS"),
        ({"instance": {"InstanceId": "i-other"}}, "UNKNOWN"),  # in the group, not described
        ({"running": False}, "NOT_APPLICABLE"),
        ({"environment": {"ecsClusterArn": GONE}}, "UNKNOWN"),
        ({"environment": {"computeResources": {"desiredvCpus": 8}}}, "UNKNOWN"),
    ],
)
def test_who_could_join(changes, expected):
    (finding,) = find("SCHED-010", none_joined(**changes))

    assert finding.status == expected


def test_who_never_joined_is_counted_and_named():
    members = [{"InstanceId": INSTANCE}, {"InstanceId": "i-2"}]

    (finding,) = find("SCHED-010", none_joined(group={"Instances": members}))

    assert f"1 of its 2 instances never joined its cluster; {INSTANCE} runs for 10 h" in (
        finding.message
    )
    assert GROUP.startswith("prod-asg-")


# --- SCHED-011 ----------------------------------------------------------------------------------

BUSY = {"runningTasksCount": 1}


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (BUSY, ("PASS", "high")),
        (BUSY | {"agentConnected": False}, ("FAIL", "high")),
        (BUSY | {"status": "DRAINING"}, ("FAIL", "medium")),
        (BUSY | {"status": GONE}, ("UNKNOWN", "high")),
        (BUSY | {"agentConnected": GONE}, ("UNKNOWN", "high")),
        ({}, ("FAIL", "high")),  # idle
        ({"registeredAt": "2026-11-22T11:40:00Z"}, ("PASS", "high")),  # too young to call idle
        ({"registeredAt": "2026-11-22T11:39:59Z"}, ("FAIL", "high")),
        ({"registeredResources": []}, ("PASS", "high")),  # nothing fits there
    ],
)
def test_instances_take_no_job(member, expected):
    changes = {"jobs": [WAITING], "front": ["job-0"], "front_min": 30}

    assert answer("SCHED-011", member=member, **changes) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(20, "PASS"), (20.1, "FAIL")])
def test_a_head_that_waits_briefly_makes_nobody_idle(minutes, expected):
    changes = {"jobs": [WAITING], "front": ["job-0"], "front_min": minutes}

    assert answer("SCHED-011", **changes)[0] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"member": {"agentConnected": False}}, "PASS"),  # agents lose it all the time
        ({"running": False}, "NOT_APPLICABLE"),
        ({"environment": {"ecsClusterArn": GONE}}, "UNKNOWN"),
    ],
)
def test_where_nobody_waits(changes, expected):
    assert answer("SCHED-011", **changes)[0] == expected
