import pytest

from builders import GONE, USER_DATA, VOLUME, answer, find

SECOND = {
    "BlockDeviceMappings": [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": VOLUME}},
        {"DeviceName": "/dev/xvdcz", "Ebs": {"VolumeId": VOLUME}},
    ]
}
MOUNTED = USER_DATA + "mkfs.xfs /dev/xvdcz\nmount /dev/xvdcz /scratch\n"
MOVED = MOUNTED + 'echo \'{"data-root": "/scratch"}\' > /etc/docker/daemon.json\n'


def mapping(size, device="/dev/xvda", **ebs):
    ebs = {"VolumeSize": size, "VolumeType": "gp3"} | ebs
    ebs = {key: value for key, value in ebs.items() if value is not GONE}
    return {"BlockDeviceMappings": [{"DeviceName": device, "Ebs": ebs}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"volume": {"Size": 31}}, ("PASS", "critical")),
        ({"volume": {"Size": 30}}, ("FAIL", "critical")),
        ({"volume": {"Size": 8}}, ("FAIL", "critical")),
        ({"volume": {"Size": 30}, "image": {"imageSizeInBytes": GONE}}, ("FAIL", "critical")),
        ({"volume": {"Size": 30}, "jobs": []}, ("FAIL", "high")),  # what jobs need is not known
        ({"volume": {"Size": GONE}}, ("UNKNOWN", "critical")),
        ({"volume": {"Size": 0}}, ("UNKNOWN", "critical")),
        ({"volume": {"VolumeId": "vol-other"}}, ("UNKNOWN", "critical")),
        ({"instance": {"RootDeviceName": GONE}}, ("UNKNOWN", "critical")),
        ({"running": False}, ("PASS", "critical")),
        ({"running": False, "template_data": mapping(30)}, ("FAIL", "critical")),
        ({"running": False, "template_data": mapping(GONE)}, ("FAIL", "critical")),  # the AMI's own
        (
            {"running": False, "environment": {"computeResources": {"launchTemplate": GONE}}},
            ("FAIL", "critical"),
        ),
    ],
)
def test_volume_is_default(changes, expected):
    assert answer("DISK-002", **changes) == expected


def test_a_default_volume_is_enough_for_one_container_of_small_jobs():
    whole = [{"type": "VCPU", "value": "8"}, {"type": "MEMORY", "value": "2048"}]
    jobs = [{"container": {"resourceRequirements": whole}}]

    assert answer("DISK-002", volume={"Size": 30}, jobs=jobs) == ("PASS", "critical")


def test_an_environment_wanting_instances_that_are_not_seen_is_unknown():
    environment = {"computeResources": {"desiredvCpus": 8}}

    assert answer("DISK-002", running=False, environment=environment)[0] == "UNKNOWN"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"instance": SECOND}, "FAIL"),
        ({"instance": SECOND, "user_data": MOUNTED}, "PASS"),
        ({"instance": SECOND, "user_data": MOVED}, "PASS"),
        (
            {
                "instance": SECOND,
                "ami": {
                    "BlockDeviceMappings": mapping(30)["BlockDeviceMappings"]
                    + mapping(22, "/dev/xvdcz")["BlockDeviceMappings"]
                },
            },
            "PASS",  # the AMI brought the device itself, as Amazon Linux 1 did
        ),
        ({"instance": SECOND, "user_data": None}, "UNKNOWN"),
        ({"instance": {"ImageId": "ami-gone"}}, "UNKNOWN"),
        ({"running": False}, "PASS"),
        ({"running": False, "template_data": mapping(100, "/dev/xvdcz")}, "FAIL"),
        (
            {
                "running": False,
                "template_data": mapping(100, "/dev/xvdcz") | {"UserData": MOUNTED},
            },
            "PASS",
        ),
        (
            {
                "running": False,
                "template_data": mapping(100, "/dev/sda1") | {"ImageId": "ami-gone"},
            },
            "UNKNOWN",
        ),
        (
            {"running": False, "environment": {"computeResources": {"launchTemplate": GONE}}},
            "NOT_APPLICABLE",
        ),
    ],
)
def test_wrong_device_enlarged(changes, expected):
    assert answer("DISK-005", **changes) == (expected, "critical")


def test_the_wrong_device_and_the_right_one_are_named():
    (finding,) = find("DISK-005", running=False, template_data=mapping(200, "/dev/xvdcz"))

    assert "200 GiB on /dev/xvdcz" in finding.message
    assert "the root device is /dev/xvda" in finding.message


GP2 = {"VolumeType": "gp2", "Iops": 300}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metrics": []}, ("PASS", "high")),
        ({"volume": GP2, "metrics": [80.0, 19.9]}, ("FAIL", "high")),
        ({"volume": GP2, "metrics": [20.0]}, ("FAIL", "medium")),
        ({"volume": GP2, "metrics": []}, ("UNKNOWN", "high")),
        ({"volume": GP2}, ("UNKNOWN", "high")),  # never asked
        ({"volume": GP2 | {"Size": 1000}}, ("PASS", "high")),  # earns what it could burst to
        ({"volume": GP2 | {"Size": 999}, "metrics": [100.0]}, ("FAIL", "medium")),
        ({"volume": {"VolumeType": GONE}}, ("UNKNOWN", "high")),
        ({"running": False}, ("PASS", "high")),
        ({"running": False, "template_data": mapping(100, VolumeType="gp2")}, ("FAIL", "medium")),
    ],
)
def test_burst_credits_run_out(changes, expected):
    assert answer("DISK-007", **changes) == expected


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [([6.0], ("PASS", "high")), ([6.1], ("FAIL", "medium")), ([0.1] * 95 + [99.0] * 5, None)],
)
def test_requests_that_queue(waiting, expected):
    """3,000 IOPS may have 6 waiting requests: one for every 500."""
    expected = expected or ("FAIL", "medium")

    assert answer("DISK-007", queue_length=waiting) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"template_data": mapping(200), "copy_data": mapping(200)}, "FAIL"),
        (
            {"template_data": mapping(200), "instance": {"LaunchTime": "2026-09-30T00:00:00Z"}},
            "FAIL",
        ),
        ({"copy_data": mapping(30)}, "FAIL"),  # Batch's copy says other than the user's
        (
            {
                "template_data": mapping(200),
                "copy_data": mapping(200),
                "instance": {"LaunchTime": "2026-09-30T00:00:00Z"},
            },
            "PASS",  # older than the version: the next update will replace it
        ),
        (
            {"template_data": mapping(100, "/dev/xvdb"), "copy_data": mapping(100, "/dev/xvdb")},
            "FAIL",
        ),
        ({"template_data": {"BlockDeviceMappings": GONE}}, "PASS"),
        ({"instance": {"LaunchTime": GONE}}, "UNKNOWN"),
        ({"volume": {"Size": GONE}}, "UNKNOWN"),
        ({"template": {"LatestVersionNumber": 2}}, "UNKNOWN"),  # version 2 is not in the capture
        ({"environment": {"computeResources": {"launchTemplate": GONE}}}, "NOT_APPLICABLE"),
        ({"running": False}, "NOT_APPLICABLE"),
    ],
)
def test_volumes_differ_from_template(changes, expected):
    assert answer("DISK-035", **changes) == (expected, "medium")


def test_drift_says_what_is_there_and_what_was_asked_for():
    (finding,) = find("DISK-035", template_data=mapping(200), copy_data=mapping(200))

    assert "has 100 GiB on /dev/xvda; the template asks for 200 GiB" in finding.message
    assert finding.evidence[0].value == 200
