import pytest

from builders import GONE, answer, find

SUSPENDED = {"SuspendedProcesses": [{"ProcessName": "Launch"}]}
UNMANAGED = {"type": "UNMANAGED", "computeResources": GONE}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"group": SUSPENDED}, "FAIL"),
        ({"group": SUSPENDED | {"AutoScalingGroupName": "other-asg-1"}}, "PASS"),
        ({"cluster": {"activeServicesCount": 1}}, "FAIL"),
        ({"cluster": {"activeServicesCount": 1}, "environment": UNMANAGED}, "PASS"),
        ({"cluster": {"activeServicesCount": GONE}}, "UNKNOWN"),
        ({"cluster": {"clusterArn": "arn:aws:ecs:x:1:cluster/other"}}, "UNKNOWN"),
        ({"environment": {"ecsClusterArn": GONE}}, "UNKNOWN"),
    ],
)
def test_changed_by_hand(changes, expected):
    assert answer("CE-008", **changes) == (expected, "medium")


def test_both_are_one_finding():
    (finding,) = find("CE-008", group=SUSPENDED, cluster={"activeServicesCount": 2})

    assert finding.message == (
        "its Auto Scaling group has Launch suspended and 2 services run on its cluster"
    )
