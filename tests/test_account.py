import base64
import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batchguide.account import (
    Account,
    data_volumes,
    fleet_of,
    resolve_template,
    template_of,
    workload_of,
)
from batchguide.account import fields as read
from batchguide.account.fleet import batch_copies_of
from batchguide.account.model import TemplateReference
from batchguide.account.names import ecr_reference
from batchguide.account.volumes import prepares_device
from batchguide.capture import Call, load_capture
from builders import (
    ACCOUNT,
    AMI,
    CLUSTER,
    COPY,
    DIGEST,
    GONE,
    IMAGE,
    INSTANCE,
    MEMBER_ARN,
    REGION,
    TEMPLATE,
    USER_DATA,
    VOLUME,
    absent,
    cut,
    failed,
    garbled,
    make_account,
    make_capture,
    make_rule,
)

ODD = [None, [], {}, "x", -1, True, float("nan"), float("inf"), 10**400, "1e999", ["x"]]


def env_of(account):
    return account.compute_environments[0]


# --- fields -------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [*ODD, ""])
def test_odd_values_are_not_numbers(odd):
    assert read.number({"n": odd}, "n") is None
    assert read.whole({"n": odd}, "n") is None
    assert read.gib_of_bytes({"n": odd}, "n") is None


@pytest.mark.parametrize(
    ("value", "number", "whole"),
    [(0, 0, 0), (8, 8, 8), ("4", 4, 4), ("0.25", 0.25, None), (2.5, 2.5, None), (1e3, 1e3, 1000)],
)
def test_numbers(value, number, whole):
    assert read.number({"n": value}, "n") == number
    assert read.whole({"n": value}, "n") == whole


@pytest.mark.parametrize("odd", [*ODD, "yesterday", "2026-13-01", 0, 1e30, 253_402_300_799_001])
def test_odd_values_are_not_instants(odd):
    assert read.instant({"t": odd}, "t") is None


@pytest.mark.parametrize(
    "value",
    [1_795_348_800_000, "2026-11-22T12:00:00Z", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00"],
)
def test_instants_are_aware_and_in_utc(value):
    assert read.instant({"t": value}, "t") == datetime(2026, 11, 22, 12, tzinfo=UTC)


SCRIPT = "#!/bin/bash\necho é\n"
PACKED = base64.b64encode(SCRIPT.encode()).decode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SCRIPT, SCRIPT),
        (PACKED, SCRIPT),
        (PACKED[:8] + "\n" + PACKED[8:], SCRIPT),
        (base64.b64encode(gzip.compress(SCRIPT.encode())).decode(), SCRIPT),
        (base64.b64encode(gzip.compress(SCRIPT.encode())[:-9]).decode(), None),  # cut
        (base64.b64encode(gzip.compress(b"0" * (1 << 21))).decode(), None),  # a bomb
        ("", ""),
        (None, None),
        (7, None),
    ],
)
def test_user_data_in_every_form(value, expected):
    assert read.user_data(value) == expected


def test_tags_without_key_or_value_are_left_out():
    listed = [{"Key": "a", "Value": "1"}, {"Key": "b"}, {"Value": "2"}, "odd", {"Key": 3}]

    assert read.tags({"Tags": listed}) == {"a": "1"}


# --- what is missing ----------------------------------------------------------------------------


def test_a_whole_answer_lacks_nothing():
    assert make_account().lacks("ec2", "DescribeVolumes") == ()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (failed, "refused"),
        (cut, "throttled"),
        (garbled, "garbage"),
        (absent, "not-asked"),
        (lambda capture, name: failed(capture, name, "timeout"), "timeout"),
    ],
)
def test_each_fault_is_told_with_its_permission(fault, kind):
    account = Account.from_capture(fault(make_capture(), "ec2:DescribeVolumes"))

    assert [gap.kind for gap in account.gaps("ec2:DescribeVolumes")] == [kind]
    assert account.lacks("ec2", "DescribeVolumes") == ("ec2:DescribeVolumes",)


def test_what_was_read_before_the_cut_is_kept():
    account = Account.from_capture(cut(make_capture(), "ec2:DescribeVolumes"))

    assert [volume.id for volume in account.volumes] == [VOLUME]


def test_the_permission_that_aws_named_goes_before_the_operation():
    capture = failed(make_capture(), "ecr:DescribeImages")
    calls = [
        replace(call, error=replace(call.error, permission="ecr:Other")) if call.error else call
        for call in capture.calls
    ]

    account = Account.from_capture(replace(capture, calls=tuple(calls)))

    assert account.lacks("ecr", "DescribeImages") == ("ecr:Other",)


def test_nothing_to_ask_is_no_gap():
    capture = make_capture()
    calls = (*absent(capture, "ecr:DescribeImages").calls, Call("ecr", "DescribeImages", {}, ()))

    account = Account.from_capture(replace(capture, calls=calls))

    assert account.gaps("ecr:DescribeImages") == ()
    assert not account.answers.answered_partly("ecr:DescribeImages")


def test_an_environment_that_a_queue_names_and_nobody_describes_is_a_gap():
    account = make_account(queue={"computeEnvironmentOrder": [{"computeEnvironment": "gone"}]})

    (gap,) = account.gaps("batch:DescribeComputeEnvironments")
    assert "gone, which main names" in gap.reason


def test_a_capture_of_a_newer_schema_lacks_everything(tmp_path):
    path = tmp_path / "newer.json"
    call = {"service": "batch", "operation": "ListJobs", "params": {}, "pages": [], "error": None}
    path.write_text(json.dumps({"schema": 99, "meta": {}, "calls": [call]}))

    account = Account.from_capture(load_capture(str(path)))

    assert account.lacks("batch", "ListJobs") == ("batch:ListJobs",)
    assert account.jobs == ()


# --- joins --------------------------------------------------------------------------------------


def test_a_queue_reaches_its_volume():
    account = make_account()

    (env,) = [account.environment_by_name[name] for name in account.job_queues[0].environments]
    (instance,) = fleet_of(account, env).instances
    (volume,) = data_volumes(account, env).volumes
    template = template_of(account, env).version

    assert (instance.id, instance.image_id) == (INSTANCE, AMI)
    assert instance.user_data == USER_DATA
    assert (volume.volume_id, volume.size_gib, volume.type) == (VOLUME, 100, "gp3")
    assert volume.path == "ec2:DescribeVolumes[0].pages[0].Volumes[0].Size"
    assert (template.template_id, template.number) == (TEMPLATE, 1)
    assert [each.template_id for each in batch_copies_of(account, fleet_of(account, env))] == [COPY]


def test_a_definition_reaches_its_layers():
    account = make_account()

    image = account.image_of(account.job_definitions[0].images[0])

    assert image.digest == DIGEST
    assert image.compressed_gib == 0.25
    assert image.layers_gib == (("sha256:base", 0.125), ("sha256:top", 0.125))


def test_an_image_for_several_platforms_has_the_layers_of_its_largest():
    layers = [{"digest": "sha256:l", "size": 2**30}]
    children = [{"digest": "sha256:arm"}, {"digest": "sha256:amd"}, {"digest": "sha256:unasked"}]
    manifests = {
        DIGEST: {"manifests": children},
        "sha256:arm": {"layers": [{"digest": "sha256:s", "size": 2**20}]},
        "sha256:amd": {"layers": layers},
    }
    images = [
        {
            "repositoryName": "resize",
            "imageId": {"imageDigest": digest},
            "imageManifest": json.dumps(manifest),
        }
        for digest, manifest in manifests.items()
    ]
    capture = make_capture(image={"imageSizeInBytes": GONE})
    calls = [
        replace(call, pages=({"images": images},)) if call.operation == "BatchGetImage" else call
        for call in capture.calls
    ]

    image = Account.from_capture(replace(capture, calls=tuple(calls))).image_of(IMAGE)

    assert image.layers_gib == (("sha256:l", 1.0),)
    assert image.compressed_gib == 1.0  # ECR gives an index no size of its own


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/a/b:v1", ("a/b", "v1", None)),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/a", ("a", "latest", None)),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/a@{DIGEST}", ("a", None, DIGEST)),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn/a:t@{DIGEST}", ("a", "t", DIGEST)),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/a:t", ("a", "t", None)),
        ("busybox", None),
        ("public.ecr.aws/docker/library/busybox:latest", None),
    ],
)
def test_ecr_references(image, expected):
    parts = ecr_reference(image)

    assert (parts and (parts.repository, parts.tag, parts.digest)) == expected


def test_another_registrys_image_is_not_taken_for_ours():
    assert make_account().image_of(IMAGE.replace(ACCOUNT, "999999999999")) is None


def test_a_twin_has_the_same_user_data():
    twin = {"InstanceId": "i-twin"}
    capture = make_capture()
    call = capture.calls_of("ec2", "DescribeInstances")[0]
    known = call.pages[0]["Reservations"][0]["Instances"][0]
    other = known | twin | {"ImageId": "ami-other"}
    page = {"Reservations": [{"Instances": [known, known | twin]}, {"Instances": [other]}]}
    calls = tuple(replace(each, pages=(page,)) if each is call else each for each in capture.calls)

    first, second, stranger = Account.from_capture(replace(capture, calls=calls)).instances

    assert second.user_data == first.user_data == USER_DATA
    assert second.where.path("ImageId") == (
        "ec2:DescribeInstances[0].pages[0].Reservations[0].Instances[1].ImageId"
    )
    assert stranger.user_data is None


def test_an_instance_without_user_data_has_an_empty_one():
    capture = make_capture()
    calls = tuple(
        replace(call, pages=({"InstanceId": INSTANCE, "UserData": {}},))
        if call.operation == "DescribeInstanceAttribute"
        else call
        for call in capture.calls
    )

    (instance,) = Account.from_capture(replace(capture, calls=calls)).instances

    assert instance.user_data == ""


@pytest.mark.parametrize(
    ("version", "number"),
    [("$Latest", 2), ("$Default", 1), (None, 1), ("1", 1), ("7", None), ("$Oldest", 1)],
)
def test_a_template_reference_means_a_version(version, number):
    capture = make_capture(template={"LatestVersionNumber": 2})
    call = capture.calls_of("ec2", "DescribeLaunchTemplateVersions")[0]
    listed = call.pages[0]["LaunchTemplateVersions"]
    page = {"LaunchTemplateVersions": [*listed, listed[0] | {"VersionNumber": 2}]}
    calls = tuple(replace(each, pages=(page,)) if each is call else each for each in capture.calls)
    account = Account.from_capture(replace(capture, calls=calls))

    for reference in (
        TemplateReference(TEMPLATE, None, version),
        TemplateReference(None, "prod", version),
    ):
        found = resolve_template(account, reference)
        assert (found.version and found.version.number) == number
        assert bool(found.missing) is (number is None)


def test_no_reference_is_no_template_and_nothing_missing():
    found = resolve_template(make_account(), None)

    assert (found.version, found.missing) == (None, ())


# --- fleets and jobs ----------------------------------------------------------------------------


def test_a_fleet_that_is_scaled_in_is_empty_and_lacks_nothing():
    account = make_account(running=False)

    fleet = fleet_of(account, env_of(account))

    assert (fleet.instances, fleet.missing) == ((), ())


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"environment": {"ecsClusterArn": GONE}}, "ecsClusterArn of prod"),
        ({"member": {"ec2InstanceId": "i-gone"}}, "ec2:DescribeInstances"),
        ({"member": {"containerInstanceArn": "arn:x/y/other"}}, "ecs:DescribeContainerInstances"),
        (
            {"running": False, "environment": {"computeResources": {"desiredvCpus": 4}}},
            "container instances of prod, which wants 4 vCPUs",
        ),
    ],
)
def test_what_a_fleet_lacks_is_named(changes, missing):
    account = make_account(**changes)

    assert missing in fleet_of(account, env_of(account)).missing


def test_a_terminated_instance_is_no_member():
    account = make_account(instance={"State": {"Name": "terminated"}})

    assert fleet_of(account, env_of(account)).instances == ()


def test_registered_resources_are_in_our_units():
    (member,) = make_account().container_instances

    assert (member.registered_vcpus, member.registered_memory_mib) == (8, 31587)


def test_a_jobs_own_figures_go_before_its_definitions():
    more = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "1024"}]
    account = make_account(jobs=[{"container": {"resourceRequirements": more}}])

    (shape,) = workload_of(account, env_of(account)).shapes

    assert (shape.vcpus, shape.memory_mib, shape.definition) == (4, 1024, "resize:3")


def test_a_job_that_was_only_listed_has_its_definitions_figures():
    capture = make_capture(jobs=[{}] * 3)
    calls = tuple(
        replace(call, pages=({"jobs": []},)) if call.operation == "DescribeJobs" else call
        for call in capture.calls
    )
    account = Account.from_capture(replace(capture, calls=calls))

    (shape,) = workload_of(account, env_of(account)).shapes

    assert (shape.vcpus, shape.image, shape.jobs) == (1, IMAGE, 3)
    assert not any(job.described for job in account.jobs)


def test_array_jobs_count_as_many():
    account = make_account(jobs=[{"arrayProperties": {"size": 500}, "attempts": []}, {}])

    (shape,) = workload_of(account, env_of(account)).shapes

    assert shape.jobs == 501


@pytest.mark.parametrize("child", ["job-0:3", "job-0#1"])
def test_a_listed_child_belongs_to_its_parents_queue(child):
    capture = make_capture(jobs=[{"arrayProperties": {"size": 5}}])
    page = {"jobSummaryList": [{"jobId": child, "status": "FAILED"}]}
    listing = Call("batch", "ListJobs", {"arrayJobId": "job-0", "jobStatus": "FAILED"}, (page,))
    account = Account.from_capture(replace(capture, calls=(*capture.calls, listing)))

    assert [job.id for job in account.jobs_of(account.job_queues[0])] == ["job-0", child]


def test_a_job_of_several_containers_adds_them_up():
    containers = [
        {"image": "a", "resourceRequirements": [{"type": "VCPU", "value": "1"}]},
        {"image": "b", "resourceRequirements": [{"type": "VCPU", "value": "0.5"}]},
    ]
    ecs = {"taskProperties": [{"containers": containers}]}

    (definition,) = make_account(
        definition={"containerProperties": GONE, "ecsProperties": ecs}
    ).job_definitions

    assert definition.images == ("a", "b")
    assert definition.vcpus == 1.5
    assert definition.memory_mib is None  # neither says


def test_attempts_of_several_containers_join_their_reasons():
    containers = [{"exitCode": 0, "reason": "fine"}, {"exitCode": 7, "reason": "broken"}]
    task = {"containerInstanceArn": MEMBER_ARN, "containers": containers}
    attempt = {"taskProperties": [task], "statusReason": "x"}

    (job,) = make_account(jobs=[{"attempts": [attempt]}]).jobs

    assert job.attempts[0].reason == "fine; broken"
    assert job.attempts[0].exit_code == 7
    assert job.attempts[0].container_instance_arn == MEMBER_ARN


def test_attempts_are_found_by_cluster_though_their_instance_is_gone():
    gone = f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/{CLUSTER}/gone"
    account = make_account(jobs=[{"member": gone}, {}])

    assert len(account.attempts_by_cluster[CLUSTER]) == 2


def test_rules_know_their_targets():
    account = make_account(rules=[make_rule(), make_rule(Name="other")])

    assert [bool(rule.target_arns) for rule in account.rules] == [True, False]
    assert account.rules[1].target_arns is None  # not asked, which is not the same as none


# --- devices ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user_data", "expected"),
    [
        ("mkfs.xfs /dev/xvdcz", True),
        ("mount /dev/xvdcz /x", True),
        ("pvcreate /dev/xvdcz", True),
        ("echo /dev/xvdcz", False),
        ("mkfs -t ext4 /dev/nvme1n1", True),
        ("for d in $(lsblk -dno NAME); do mkfs.xfs /dev/$d; done", True),
        ("mount -t efs fs-1 /efs", False),
        ("", False),
    ],
)
def test_user_data_that_prepares_a_device(user_data, expected):
    assert prepares_device(user_data, "/dev/xvdcz") is expected


def al1_devices(size_gib=None):
    ebs = {"VolumeId": VOLUME} if size_gib is None else {"VolumeSize": size_gib}
    return [
        {"DeviceName": "/dev/xvda", "Ebs": ebs},
        {"DeviceName": "/dev/xvdcz", "Ebs": ebs},
    ]


@pytest.mark.parametrize(
    ("ami", "user_data", "device"),
    [
        ({"Name": "amzn-ami-2018.03.a-amazon-ecs-optimized"}, "", "/dev/xvdcz"),
        ({}, "", "/dev/xvda"),
        ({}, "mkfs.xfs /dev/xvdcz; mount /dev/xvdcz /var/lib/docker", "/dev/xvdcz"),
        ({}, "mkfs.xfs /dev/xvdcz; mount /dev/xvdcz /scratch", "/dev/xvda"),
        ({}, None, None),
        ({"ImageId": "ami-other"}, "", None),
    ],
)
def test_the_device_that_docker_writes_to(ami, user_data, device):
    account = make_account(
        instance={"BlockDeviceMappings": al1_devices()}, ami=ami, user_data=user_data
    )

    known = data_volumes(account, env_of(account))

    assert [each.device for each in known.volumes] == ([device] if device else [])
    assert bool(known.missing) is (device is None)


@pytest.mark.parametrize(
    ("image_type", "size_gib", "kind"),
    [("ECS_AL2023", 30, "gp3"), ("ECS_AL2_NVIDIA", 30, "gp2"), ("ECS_AL1", 22, "gp2")],
)
def test_without_instance_and_template_the_stock_ami_tells(image_type, size_gib, kind):
    configuration = {"ec2Configuration": [{"imageType": image_type}], "launchTemplate": GONE}
    account = make_account(running=False, environment={"computeResources": configuration})

    (volume,) = data_volumes(account, env_of(account)).volumes

    assert (volume.size_gib, volume.type) == (size_gib, kind)
    assert volume.path.startswith("=https://")


def test_a_template_leaves_out_what_the_ami_has():
    mapping = {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 77}}]}
    account = make_account(
        running=False,
        template_data=mapping | {"ImageId": AMI},
        ami={"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp2"}}]},
    )

    (volume,) = data_volumes(account, env_of(account)).volumes

    assert (volume.size_gib, volume.type) == (77, "gp2")
    assert volume.origin == "launch template prod version 1"


# --- retries and logs -----------------------------------------------------------------------------


def test_what_a_job_leaves_to_its_definition_is_none():
    silent, said = make_account(
        jobs=[{}, {"retryStrategy": {"attempts": 2}, "timeout": {"attemptDurationSeconds": 90}}]
    ).jobs

    assert (silent.retries, silent.timeout_s) == (None, None)
    assert (said.retries.attempts, said.retries.rules, said.timeout_s) == (2, (), 90)


@pytest.mark.parametrize("odd", [*ODD, ""])
def test_an_odd_retry_strategy_is_a_gap_and_no_traceback(odd):
    account = make_account(definition={"retryStrategy": {"attempts": 2, "evaluateOnExit": odd}})

    (definition,) = account.job_definitions
    assert (definition.attempts, definition.retries.rules) == (2, ())
    read_as_none = odd is None or odd == []
    assert bool(account.gaps("batch:DescribeJobDefinitions")) is not read_as_none


@pytest.mark.parametrize(
    ("attempt", "stream"),
    [
        ({"container": {"logStreamName": "a/b/c"}}, "a/b/c"),
        ({"container": {"logStreamName": None, "exitCode": 1}}, None),
        ({"taskProperties": [{"containers": [{}, {"logStreamName": "a/b/d"}]}]}, "a/b/d"),
        ({}, None),
    ],
)
def test_the_log_stream_of_an_attempt(attempt, stream):
    (job,) = make_account(jobs=[{"attempts": [attempt]}]).jobs

    assert job.attempts[0].log_stream == stream
