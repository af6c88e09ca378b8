import pytest

from batchguide import facts
from builders import GONE, answer, find

WAITING = {"status": "RUNNABLE", "attempts": []}
RESERVED_MIB = 32  # ECS_RESERVED_MEMORY as Batch sets it


def asking(vcpus=1, memory_mib=2048, gpus=0, **change):
    wanted = {"VCPU": vcpus, "MEMORY": memory_mib, "GPU": gpus}
    listed = [{"type": kind, "value": str(value)} for kind, value in wanted.items() if value]
    return WAITING | {"container": {"resourceRequirements": listed}} | change


def types(*names, **change):
    return {"computeResources": {"instanceTypes": list(names), **change}}


@pytest.mark.parametrize(
    ("vcpus", "expected"), [(256, ("PASS", "critical")), (257, ("FAIL", "critical"))]
)
def test_job_beyond_maximum(vcpus, expected):
    assert answer("SCHED-003", jobs=[asking(vcpus)]) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": [{}]}, "NOT_APPLICABLE"),  # nothing waits
        ({"environment": {"computeResources": {"maxvCpus": GONE}}}, "UNKNOWN"),
        ({"environment": {"computeResources": {"type": "FARGATE"}}}, "NOT_APPLICABLE"),
        ({"environment": {"computeResources": {"type": GONE}}}, "UNKNOWN"),
        ({"environment": {"type": "UNMANAGED", "computeResources": GONE}}, "NOT_APPLICABLE"),
        ({"queue": {"computeEnvironmentOrder": []}}, "UNKNOWN"),
        ({"jobs": [asking(999), asking(jobDefinition="gone:1", container=GONE)]}, "FAIL"),
        ({"jobs": [asking(1), asking(jobDefinition="gone:1", container=GONE)]}, "UNKNOWN"),
        ({"jobs": [asking(999, status="PENDING")]}, "FAIL"),
        ({"jobs": [asking(999, status="SUCCEEDED")]}, "NOT_APPLICABLE"),
    ],
)
def test_where_a_maximum_can_be_told(changes, expected):
    assert answer("SCHED-003", **({"jobs": [asking(999)]} | changes))[0] == expected


def test_the_largest_job_is_named_with_both_figures():
    (finding,) = find("SCHED-003", jobs=[asking(300), asking(512)])

    assert "resize:3 asks for 512 vCPUs; no environment may have more than 256" in finding.message
    assert "1 other kind of job" in finding.message


# --- SCHED-004 ----------------------------------------------------------------------------------

USABLE_MIB = facts.instance_type("m5a.2xlarge").registered_memory_mib - RESERVED_MIB


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (asking(8), "PASS"),
        (asking(9), "FAIL"),
        (asking(1, 31587), "PASS"),  # what the running m5.2xlarge registered
        (asking(1, max(31587, USABLE_MIB) + 1), "FAIL"),
        (asking(1, 2048, gpus=1), "FAIL"),
    ],
)
def test_job_fits_nowhere(job, expected):
    assert answer("SCHED-004", jobs=[job]) == (expected, "critical")


@pytest.mark.parametrize("spare", [0, 1])
def test_memory_of_a_type_that_does_not_run_is_what_the_table_says(spare):
    usable = facts.instance_type("r5.large").registered_memory_mib - RESERVED_MIB
    jobs = [asking(1, usable + spare)]

    status, _ = answer("SCHED-004", jobs=jobs, environment=types("r5.large"))

    assert status == ("FAIL" if spare else "PASS")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"environment": types("r9zz.huge")}, "UNKNOWN"),
        ({"environment": types("r5.large", "r9zz.huge")}, "UNKNOWN"),
        ({"environment": types("m5")}, "PASS"),  # a family goes up to 24xlarge
        ({"environment": types("g5.12xlarge"), "jobs": [asking(8, 2048, gpus=4)]}, "PASS"),
        ({"environment": {"type": "UNMANAGED", "computeResources": GONE}}, "FAIL"),
        ({"environment": types("m5.large", type="FARGATE")}, "NOT_APPLICABLE"),
        ({"jobs": [{}]}, "NOT_APPLICABLE"),
    ],
)
def test_which_types_are_allowed(changes, expected):
    assert answer("SCHED-004", **({"jobs": [asking(64)]} | changes))[0] == expected


# --- SCHED-005 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory_mib", "allowed", "expected"),
    [
        (32768, ["m5.2xlarge"], ("FAIL", "high")),  # and no other type holds it
        (32768, ["m5.2xlarge", "m5.4xlarge"], ("FAIL", "medium")),  # half of which stays empty
        (31588, ["m5.2xlarge"], ("FAIL", "high")),
        (31587, ["m5.2xlarge"], ("PASS", "high")),
        (32769, ["m5.2xlarge"], ("PASS", "high")),  # beyond it by far: SCHED-004 says it
        (8192, ["m5.2xlarge"], ("PASS", "high")),
        (8192, ["r9zz.huge"], ("UNKNOWN", "high")),
    ],
)
def test_memory_is_nominal(memory_mib, allowed, expected):
    jobs = [asking(1, memory_mib, status="SUCCEEDED")]

    assert answer("SCHED-005", jobs=jobs, environment=types(*allowed)) == expected


def test_the_next_size_is_named():
    jobs = [asking(1, 32768)]

    (finding,) = find("SCHED-005", jobs=jobs, environment=types("m5.2xlarge", "m5.4xlarge"))

    assert "m5.2xlarge has 32768, of which ECS offers 31587: it goes to m5.4xlarge" in (
        finding.message
    )


# --- SCHED-006 ----------------------------------------------------------------------------------

GPU = {
    "containerProperties": {
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "2048"},
            {"type": "GPU", "value": "1"},
        ]
    }
}
PLAIN = {"ec2Configuration": [{"imageType": "ECS_AL2023"}], "launchTemplate": GONE}
NVIDIA = {"ec2Configuration": [{"imageType": "ECS_AL2023_NVIDIA"}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "high")),
        ({"definition": GPU}, ("FAIL", "high")),
        ({"definition": GPU, "environment": types("g5.xlarge", **NVIDIA)}, ("PASS", "high")),
        ({"definition": GPU, "environment": types("g5.xlarge", **PLAIN)}, ("FAIL", "high")),
        ({"environment": types("g5.xlarge", **NVIDIA)}, ("FAIL", "medium")),
        ({"environment": types("g5.xlarge", "m5.large", **NVIDIA)}, ("PASS", "high")),
        ({"environment": types("r9zz.huge")}, ("UNKNOWN", "high")),
        ({"jobs": []}, ("NOT_APPLICABLE", "high")),
    ],
)
def test_gpus_and_jobs_differ(changes, expected):
    assert answer("SCHED-006", **changes) == expected
