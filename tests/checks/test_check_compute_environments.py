import pytest

from builders import GONE, answer, find

INVALID = {"status": "INVALID"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("VALID", "PASS"),
        ("UPDATING", "PASS"),
        ("INVALID", "FAIL"),
        ("SOMETHING_NEW", "UNKNOWN"),
        (GONE, "UNKNOWN"),
        (7, "UNKNOWN"),
    ],
)
def test_environment_invalid(status, expected):
    assert answer("CE-001", environment={"status": status}) == (expected, "critical")


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("CLIENT_ERROR - Not authorized to perform sts:AssumeRole", "trust policy"),
        ("CLIENT_ERROR - IamFleetRole is invalid", "Spot Fleet role"),
        ("CLIENT_ERROR - not authorized to perform: ecs:ListClusters", "a role lacks a permission"),
        ("none of the instances joined the underlying ECS Cluster", "do not register with ECS"),
        ("The AMI ami-1 cannot be described", "the AMI is gone"),
        ("CLIENT_ERROR - Clusters can not be blank", "cluster was deleted by hand"),
        ("Instance profile arn:x does not exist", "instance profile does not exist"),
        ("The specified launch template version 3 does not exist", "launch template"),
        ("The subnet ID 'subnet-1' does not exist", "a subnet is gone"),
        ("The security group 'sg-1' does not exist", "a security group is gone"),
        ("Something else went wrong", "Something else went wrong"),
        (GONE, "AWS gives no reason"),
    ],
)
def test_the_reason_of_an_invalid_environment_is_read(reason, meaning):
    (finding,) = find("CE-001", environment=INVALID | {"statusReason": reason})

    assert meaning in finding.message


def test_fargate_environments_can_be_invalid_too():
    fargate = {"computeResources": {"type": "FARGATE"}}

    assert answer("CE-001", environment=INVALID | fargate) == ("FAIL", "critical")


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("BEST_FIT_PROGRESSIVE", "PASS"),
        ("SPOT_PRICE_CAPACITY_OPTIMIZED", "PASS"),
        ("BEST_FIT", "FAIL"),
        (GONE, "FAIL"),
        ("WORST_FIT", "UNKNOWN"),
    ],
)
def test_strategy_is_best_fit(strategy, expected):
    environment = {"computeResources": {"allocationStrategy": strategy}}

    assert answer("CE-002", environment=environment) == (expected, "high")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"computeResources": {"type": "SPOT"}}, "PASS"),
        ({"computeResources": {"type": "FARGATE", "allocationStrategy": GONE}}, "NOT_APPLICABLE"),
        ({"computeResources": {"type": "ECS_MANAGED_INSTANCES"}}, "NOT_APPLICABLE"),
        ({"containerOrchestrationType": "EKS"}, "NOT_APPLICABLE"),
        ({"computeResources": {"type": GONE}}, "UNKNOWN"),
        ({"computeResources": {"type": "MAINFRAME"}}, "UNKNOWN"),
        ({"computeResources": GONE}, "UNKNOWN"),
        ({"type": GONE}, "UNKNOWN"),
        ({"type": "UNMANAGED", "computeResources": GONE}, "PASS"),
    ],
)
def test_which_environments_have_container_instances(environment, expected):
    assert answer("CE-002", environment=environment)[0] == expected
