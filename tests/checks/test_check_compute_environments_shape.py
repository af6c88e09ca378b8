import pytest

from builders import GONE, REGION, answer, find, make_mime

ZONES = {"AvailabilityZones": [f"{REGION}a"]}


def resources(**change):
    return {"computeResources": change}


def types(*names, **change):
    return resources(instanceTypes=list(names), **change)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"environment": types("m5.2xlarge")}, "FAIL"),
        ({"environment": types("m5")}, "PASS"),  # a family has many sizes
        ({"environment": types("m5.large", "m5a.large", type="SPOT")}, "FAIL"),
        ({"environment": types("m5.large", "m5a.large", "m6i.large", type="SPOT")}, "PASS"),
        ({"environment": resources(subnets=["subnet-1"])}, "FAIL"),
        ({"environment": resources(subnets=["subnet-1", "subnet-1"])}, "FAIL"),
        ({"group": ZONES}, "FAIL"),  # two subnets in one Zone
        ({"environment": resources(placementGroup="near"), "group": ZONES}, "PASS"),
        ({"environment": resources(subnets=GONE)}, "UNKNOWN"),
        ({"environment": types()}, "UNKNOWN"),
        ({"environment": {"type": "UNMANAGED", "computeResources": GONE}}, "NOT_APPLICABLE"),
        ({"environment": resources(type="FARGATE")}, "NOT_APPLICABLE"),
    ],
)
def test_too_narrow(changes, expected):
    assert answer("CE-007", **changes) == (expected, "medium")


def test_both_faults_are_one_finding():
    environment = types("m5.large", subnets=["subnet-1"])

    (finding,) = find("CE-007", environment=environment)

    assert finding.message == "allows 1 instance type and has one subnet"


# --- CE-010 -------------------------------------------------------------------------------------


def uses(**changes):
    return {it.resource.split("/")[0]: str(it.status) for it in find("CE-010", **changes)}


@pytest.mark.parametrize(
    ("changes", "environment", "queue"),
    [
        ({}, "PASS", "PASS"),
        ({"jobs": []}, "PASS", "FAIL"),
        ({"queue": {"computeEnvironmentOrder": []}}, "FAIL", "PASS"),
        ({"environment": {"state": "DISABLED"}}, "PASS", "PASS"),
        ({"environment": {"state": "DISABLED"} | resources(minvCpus=1)}, "FAIL", "PASS"),
        ({"environment": {"state": GONE}}, "UNKNOWN", "PASS"),
    ],
)
def test_nobody_uses_it(changes, environment, queue):
    assert uses(**changes) == {"compute-environment": environment, "job-queue": queue}


def test_a_disabled_environment_that_is_paid_for_is_worse_than_an_unused_one():
    (paid, _) = find("CE-010", environment={"state": "DISABLED"} | resources(minvCpus=8))

    assert paid.severity == "medium"
    assert "keeps 8 vCPUs" in paid.message


# --- CE-011 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo ECS_IMAGE_CLEANUP_INTERVAL=10m >> /etc/ecs/ecs.config", "PASS"),
        ("echo ECS_CLUSTER=mine >> /etc/ecs/ecs.config", "FAIL"),
        ("echo 'ECS_INSTANCE_ATTRIBUTES={}' >> /etc/ecs/ecs.config", "FAIL"),
        ("echo ECS_IMAGE_CLEANUP_INTERVAL=10m > /etc/ecs/ecs.config", "FAIL"),
        ("echo ECS_CLUSTER=mine", "PASS"),  # printed, and not written
        ("echo ECS_IMAGE_CLEANUP_INTERVAL=10m | tee /etc/ecs/ecs.config", "FAIL"),
        ("curl -s http://x.example | tee /etc/ecs/ecs.config", "UNKNOWN"),
        ("sed -i s/10m/5m/ /etc/ecs/ecs.config", "UNKNOWN"),
    ],
)
def test_what_user_data_does_to_the_agent(script, expected):
    data = {"UserData": make_mime(f"#!/bin/bash\n{script}\n")}

    assert answer("CE-011", template_data=data) == (expected, "high")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"template_data": {"UserData": "#!/bin/bash\necho hello\n"}}, "FAIL"),  # no MIME
        ({"template_data": {"UserData": GONE}}, "PASS"),
        ({"template_data": {"UserData": "  \n"}}, "PASS"),
        ({"environment": resources(launchTemplate=GONE)}, "NOT_APPLICABLE"),
        ({"environment": resources(launchTemplate={"version": "7"})}, "UNKNOWN"),
        ({"template_data": {"UserData": 7}}, "UNKNOWN"),
    ],
)
def test_where_user_data_is(changes, expected):
    assert answer("CE-011", **changes)[0] == expected


# --- CE-012 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        ("2026-11-22T02:03:00Z", ("PASS", "medium")),
        ("2026-11-22T02:03:01Z", ("FAIL", "low")),
        ("2026-11-22T02:08:00Z", ("FAIL", "low")),
        ("2026-11-22T02:08:01Z", ("FAIL", "medium")),
        ("2026-11-22T01:00:00Z", ("UNKNOWN", "medium")),  # before its launch: two clocks
        (GONE, ("UNKNOWN", "medium")),
    ],
)
def test_registers_slowly(registered, expected):
    assert answer("CE-012", member={"registeredAt": registered}) == expected


def test_nothing_registers():
    assert answer("CE-012", running=False)[0] == "NOT_APPLICABLE"


# --- CE-013 -------------------------------------------------------------------------------------

SECOND = {"order": 2, "computeEnvironment": "other"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"environment": resources(type="SPOT")}, "FAIL"),
        ({"environment": resources(type="FARGATE_SPOT")}, "FAIL"),
        ({"environment": resources(type=GONE)}, "UNKNOWN"),
        ({"environment": {"type": "UNMANAGED", "computeResources": GONE}}, "PASS"),
        ({"queue": {"computeEnvironmentOrder": []}}, "NOT_APPLICABLE"),
        ({"queue": {"computeEnvironmentOrder": [SECOND]}}, "UNKNOWN"),  # not described
    ],
)
def test_spot_without_fallback(changes, expected):
    assert answer("CE-013", **changes) == (expected, "medium")


# --- CE-014, CE-015 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "PASS"),
        (types("optimal"), "FAIL"),
        (types("m5", "default_arm64"), "FAIL"),
        (types("m5", "c5.large"), "PASS"),
        (types(), "UNKNOWN"),
        ({"type": "UNMANAGED", "computeResources": GONE}, "NOT_APPLICABLE"),
    ],
)
def test_alias_of_types(environment, expected):
    assert answer("CE-014", environment=environment) == (expected, "low")


ORDERED = {"allocationStrategy": "BEST_FIT_PROGRESSIVE_ORDERED"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (types("m5.24xlarge"), "PASS"),  # its order means nothing
        (types("m5.8xlarge", "m5.large", **ORDERED), "PASS"),  # 32 times the one vCPU of a job
        (types("m5.12xlarge", "m5.large", **ORDERED), "FAIL"),
        (types("r9zz.huge", **ORDERED), "UNKNOWN"),
    ],
)
def test_order_is_risky(environment, expected):
    assert answer("CE-015", environment=environment) == (expected, "low")


def test_a_first_type_smaller_than_the_jobs():
    wanted = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "2048"}]
    jobs = [{"container": {"resourceRequirements": wanted}}]

    status, _ = answer("CE-015", jobs=jobs, environment=types("m5.large", **ORDERED))

    assert status == "FAIL"
