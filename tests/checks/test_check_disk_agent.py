import pytest

from batchguide.account_scenario import agent_settings_of
from builders import ACCOUNT, CLUSTER, GONE, IMAGE, USER_DATA, answer, find, make_account

UNMANAGED = {"type": "UNMANAGED", "computeResources": GONE}
CUSTOM = {"Name": "our-own-2025", "OwnerId": ACCOUNT}
OLD = {"LaunchTime": "2026-11-22T05:59:00Z"}  # 6 h 1 min before the capture
YOUNG = {"LaunchTime": "2026-11-22T06:01:00Z"}


def user_data(**settings):
    lines = [f"echo {name}={value} >> /etc/ecs/ecs.config" for name, value in settings.items()]
    return "\n".join(["#!/bin/bash", f"echo ECS_CLUSTER={CLUSTER} >> /etc/ecs/ecs.config", *lines])


def wait(duration):
    return user_data(ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=duration)


def busy(per_hour):
    """Jobs that all stop within one clock hour."""
    return [{"minutes": at / 60} for at in range(per_hour)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"user_data": wait("30m"), "jobs": busy(7)}, ("PASS", "high")),
        ({"user_data": wait("31m"), "jobs": busy(11)}, ("FAIL", "high")),
        ({"user_data": wait("31m"), "jobs": busy(10)}, ("FAIL", "medium")),
        ({"user_data": wait("3h"), "jobs": []}, ("FAIL", "medium")),
        ({"user_data": user_data(), "jobs": busy(11)}, ("FAIL", "high")),  # the agent's own 3 h
        ({"user_data": wait("10m"), "jobs": busy(24)}, ("PASS", "high")),  # 4 kept: 20 GiB of 100
        ({"user_data": wait("10m"), "jobs": busy(25)}, ("FAIL", "medium")),
        ({"user_data": wait("2m"), "jobs": busy(11)}, ("PASS", "high")),
        ({"user_data": wait("$(curl example)"), "jobs": busy(11)}, ("UNKNOWN", "high")),
        ({"user_data": None}, ("UNKNOWN", "high")),
        ({"user_data": "#!/bin/bash\n"}, ("UNKNOWN", "high")),  # who then wrote ECS_CLUSTER?
        ({"user_data": wait("3h"), "environment": UNMANAGED}, ("FAIL", "high")),
        ({"user_data": "#!/bin/bash\n", "environment": UNMANAGED}, ("FAIL", "high")),
        ({"running": False}, ("PASS", "high")),  # 2 min, as Batch is seen to set it
        ({"running": False, "environment": UNMANAGED}, ("NOT_APPLICABLE", "high")),
        (
            {"running": False, "template_data": {"UserData": wait("3h")}, "jobs": busy(11)},
            ("FAIL", "high"),
        ),
    ],
)
def test_stopped_containers_kept(changes, expected):
    assert answer("DISK-010", **changes) == expected


def test_the_last_assignment_wins():
    text = USER_DATA + "echo ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=5h >> /etc/ecs/ecs.config\n"
    account = make_account(user_data=text)

    (kind,) = agent_settings_of(account, account.compute_environments[0]).kinds

    assert kind.settings.task_cleanup_wait_s == 5 * 3600
    assert kind.path == "ec2:DescribeInstanceAttribute[0].pages[0].UserData.Value"


TWO_IMAGES = [{}, {"container": {"image": IMAGE.replace(":v3", ":v4")}}]


@pytest.mark.parametrize(
    "setting", [{"ECS_DISABLE_IMAGE_CLEANUP": "true"}, {"ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached"}]
)
@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"jobs": TWO_IMAGES, "instance": OLD}, "high"),
        ({"jobs": TWO_IMAGES, "instance": YOUNG}, "medium"),
        ({"jobs": [{}, {}], "instance": OLD}, "medium"),
        ({"jobs": [], "instance": OLD}, "medium"),
        ({"jobs": TWO_IMAGES, "instance": {"LaunchTime": GONE}}, "medium"),
    ],
)
def test_image_cleanup_off(setting, changes, severity):
    assert answer("DISK-011", user_data=user_data(**setting), **changes) == ("FAIL", severity)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"user_data": user_data(ECS_IMAGE_PULL_BEHAVIOR="once")}, "PASS"),
        ({"user_data": user_data(ECS_DISABLE_IMAGE_CLEANUP="nonsense")}, "PASS"),
        ({"user_data": user_data(ECS_DISABLE_IMAGE_CLEANUP="$X")}, "UNKNOWN"),
        ({"running": False, "template": {"LatestVersionNumber": 9}}, "UNKNOWN"),
    ],
)
def test_image_cleanup_on(changes, expected):
    assert answer("DISK-011", **changes) == (expected, "high")


def images(count, **more):
    return [{"minutes": 0, "container": {"image": f"{IMAGE}{at}"}, **more} for at in range(count)]


ONE_AN_HOUR = user_data(ECS_IMAGE_CLEANUP_INTERVAL="1h", ECS_NUM_IMAGES_DELETE_PER_CYCLE="4")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": images(2)}, ("PASS", "medium")),
        ({"jobs": images(3)}, ("FAIL", "low")),
        ({"jobs": images(4)}, ("FAIL", "low")),  # as many as it deletes
        ({"jobs": images(5)}, ("FAIL", "medium")),
        ({"jobs": images(1) * 9}, ("PASS", "medium")),  # the same image is new only once
        ({"jobs": []}, ("NOT_APPLICABLE", "medium")),
        ({"jobs": [{"container": {"image": GONE}}]}, ("NOT_APPLICABLE", "medium")),
        ({"jobs": images(2), "user_data": None}, ("UNKNOWN", "medium")),
        (
            {"jobs": images(1), "user_data": user_data(ECS_DISABLE_IMAGE_CLEANUP="true")},
            ("FAIL", "medium"),
        ),
    ],
)
def test_image_cleanup_too_slow(changes, expected):
    assert answer("DISK-012", **{"user_data": ONE_AN_HOUR} | changes) == expected


def test_tags_that_mean_the_same_digest_are_one_image():
    jobs = [{"minutes": 0}, {"minutes": 1, "container": {"image": IMAGE.replace(":v3", ":stable")}}]

    (finding,) = find("DISK-012", jobs=jobs, image={"imageTags": ["v3", "stable"]})

    assert "up to 1 new image an hour" in finding.message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "high")),
        ({"ami": CUSTOM}, ("FAIL", "medium")),
        ({"ami": {"OwnerId": ACCOUNT}}, ("FAIL", "medium")),  # a copy, whatever its name
        ({"ami": CUSTOM, "user_data": user_data()}, ("FAIL", "high")),
        ({"ami": CUSTOM, "user_data": None}, ("UNKNOWN", "high")),
        ({"environment": UNMANAGED}, ("FAIL", "medium")),
        ({"environment": UNMANAGED, "user_data": user_data()}, ("FAIL", "high")),
        ({"instance": {"ImageId": "ami-gone"}}, ("UNKNOWN", "high")),
        ({"running": False}, ("PASS", "high")),
        (
            {"running": False, "environment": {"computeResources": {"imageId": "ami-gone"}}},
            ("UNKNOWN", "high"),
        ),
    ],
)
def test_cleanup_defaults_bypassed(changes, expected):
    assert answer("DISK-014", **changes) == expected
