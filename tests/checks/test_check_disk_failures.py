import pytest

from batchguide.checks.disk_failures import DISK_FULL, DOCKER_SLOW
from builders import ACCOUNT, CLUSTER, MEMBER_ARN, REGION, answer, find, make_capture

FULL = "CannotCreateContainerError: Error response from daemon: no space left on device"
SLOW = "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s"
ENDED = {"status": "FAILED"}


@pytest.mark.parametrize(
    ("text", "full", "slow"),
    [
        ("write /var/lib/docker/overlay2/x: No space left on device", True, False),
        ("write /var/lib/docker/tmp/GetImageBlob123456: input/output error", True, False),
        ("failed to register layer: Error processing tar file", True, False),
        ("devmapper: Thin Pool has 4350 free data blocks which is less than", True, False),
        ("OSError: [Errno 28] ENOSPC", True, False),
        ("cannot create temporary file", True, False),
        ("Disk quota exceeded", True, False),
        (SLOW, False, True),
        ("CannotInspectContainerError: Could not transition to inspecting; timed out", False, True),
        ("CannotStartContainerError: context deadline exceeded", False, True),
        ("OutOfMemoryError: Container killed due to memory usage", False, False),
        ("Host EC2 (instance i-0123) terminated.", False, False),
        ("Errno 280 is another", False, False),
        ("Essential container in task exited", False, False),
        ("CannotPullContainerError: pull access denied", False, False),
    ],
)
def test_what_reasons_mean(text, full, slow):
    assert bool(DISK_FULL.search(text)) is full
    assert bool(DOCKER_SLOW.search(text)) is slow


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}] * 3, "PASS"),
        ([{}, ENDED | {"reason": FULL}], "FAIL"),
        ([{}, ENDED | {"status_reason": FULL}], "FAIL"),
        ([{"reason": FULL}], "FAIL"),  # an attempt failed, a retry succeeded
        ([], "NOT_APPLICABLE"),
        ([{"status": "RUNNABLE", "attempts": []}], "NOT_APPLICABLE"),
        ([ENDED | {"attempts": [], "container": {"reason": FULL}}], "FAIL"),
    ],
)
def test_jobs_died_of_full_disk(jobs, expected):
    assert answer("DISK-001", jobs=jobs) == (expected, "critical")


def test_a_failed_job_that_was_only_listed_is_unknown():
    from dataclasses import replace

    capture = make_capture(jobs=[{}, ENDED])
    calls = [
        replace(call, pages=({"jobs": call.pages[0]["jobs"][:1]},))
        if call.operation == "DescribeJobs"
        else call
        for call in capture.calls
    ]

    (finding,) = find("DISK-001", replace(capture, calls=tuple(calls)))

    assert finding.status == "UNKNOWN"
    assert "batch:DescribeJobs" in finding.missing


def test_the_longer_reason_of_ecs_counts():
    task = {"taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{0:032x}"}
    task |= {"containers": [{"reason": "CannotPullContainerError: " + "x" * 400 + FULL}]}

    (finding,) = find("DISK-001", jobs=[ENDED | {"reason": "CannotPull: xxx"}], tasks=[task])

    assert finding.status == "FAIL"
    assert finding.evidence[0].path.startswith("ecs:DescribeTasks[0]")


@pytest.mark.parametrize(
    ("minutes", "members", "crowded"),
    [
        ([0, 10, 30], [MEMBER_ARN] * 3, True),
        ([0, 10, 31], [MEMBER_ARN] * 3, False),  # the window is 30 minutes
        ([0, 10], [MEMBER_ARN] * 2, False),
        ([0, 1, 2], [MEMBER_ARN, MEMBER_ARN, MEMBER_ARN + "f"], False),
    ],
)
def test_black_hole(minutes, members, crowded):
    jobs = [
        ENDED | {"reason": FULL, "minutes": at, "member": member}
        for at, member in zip(minutes, members, strict=True)
    ]

    (finding,) = find("DISK-001", jobs=jobs)

    assert ("within 30 min on container instance" in finding.message) is crowded


@pytest.mark.parametrize(
    ("slow", "healthy", "expected"),
    [
        (0, 10, "PASS"),
        (3, 10_00, "FAIL"),
        (2, 398, "FAIL"),  # 2 of 400: exactly 0.5 %
        (2, 399, "PASS"),
        (1, 10, "FAIL"),
    ],
)
def test_docker_timed_out(slow, healthy, expected):
    jobs = [ENDED | {"reason": SLOW}] * slow + [{}] * healthy

    assert answer("DISK-009", jobs=jobs) == (expected, "high")


def test_a_finding_says_how_many_of_how_many():
    (finding,) = find("DISK-001", jobs=[{}] * 7 + [ENDED | {"reason": FULL}] * 2)

    assert finding.message.startswith("2 of 9 attempts ended with a full disk: CannotCreate")
    assert [each.value for each in finding.evidence] == [FULL, FULL]
    assert finding.evidence[0].path == (
        "batch:DescribeJobs[0].pages[0].jobs[7].attempts[0].container.reason"
    )
