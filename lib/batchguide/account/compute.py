"""What EC2, Auto Scaling and ECS answered about the instances that Batch launched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from batchguide.account.answers import Answers, Where
from batchguide.account.fields import (
    Fields,
    flag,
    inner,
    instant,
    number,
    rows,
    tags,
    text,
    texts,
    user_data,
    whole,
)
from batchguide.account.model import (
    AttachedVolume,
    AutoScalingGroup,
    BlockDevice,
    ContainerInstance,
    Instance,
    LaunchTemplate,
    MachineImage,
    Task,
    TemplateReference,
    TemplateVersion,
    Volume,
)

_UserData = dict[str, tuple[str | None, str | None]]  # text and its place, by instance
VCPU_UNITS = 1024  # ECS counts a vCPU as 1024 CPU units


def container_instances(answers: Answers) -> Iterator[ContainerInstance]:
    """Container instances with the cluster they were asked of."""
    calls = answers.calls("ecs", "DescribeContainerInstances")
    listed = answers.rows("ecs", "DescribeContainerInstances", "containerInstances")
    for where, row in listed:
        arn = text(row, "containerInstanceArn")
        if arn is None:
            answers.note_odd(where, "a container instance without an ARN")
            continue
        cpu = _registered(row, "CPU")
        memory = _registered(row, "MEMORY")
        yield ContainerInstance(
            where=where,
            arn=arn,
            cluster_arn=text(calls[where.call].params, "cluster"),
            instance_id=text(row, "ec2InstanceId"),
            status=text(row, "status"),
            agent_version=text(inner(row, "versionInfo"), "agentVersion"),
            agent_connected=flag(row, "agentConnected"),
            running_tasks=whole(row, "runningTasksCount"),
            registered_vcpus=None if cpu is None else cpu / VCPU_UNITS,
            registered_memory_mib=None if memory is None else int(memory),
            registered_gpus=_registered_gpus(row),
            registered_at=instant(row, "registeredAt"),
        )


def _registered(row: Fields, name: str) -> float | None:
    for each in rows(row, "registeredResources"):
        if each.get("name") == name:
            return number(each, "integerValue")
    return None


def _registered_gpus(row: Fields) -> int:
    """ECS lists the ids of GPUs; an instance without any has no such entry."""
    return sum(
        len(texts(each, "stringSetValue"))
        for each in rows(row, "registeredResources")
        if each.get("name") == "GPU"
    )


def instances(answers: Answers) -> Iterator[Instance]:
    """Instances with their user data; one that was not asked for has that of its twins.

    Twins come from the same AMI, Auto Scaling group and launch template version, and so have the
    same user data: asking each of a thousand would tell nothing more.
    """
    data = dict(_user_data_of_instances(answers))
    listed = tuple(_instances(answers, data))
    of_twins = {_kind(each): each for each in listed if each.user_data is not None}
    for each in listed:
        twin = of_twins.get(_kind(each))
        if each.user_data is None and twin is not None:
            each = replace(each, user_data=twin.user_data, user_data_where=twin.user_data_where)
        yield each


def _kind(instance: Instance) -> tuple[str | None, str, str | None]:
    group = instance.tags.get("aws:autoscaling:groupName", instance.id)
    return instance.image_id, group, instance.tags.get("aws:ec2launchtemplate:version")


def _instances(answers: Answers, data: _UserData) -> Iterator[Instance]:
    for where, reservation in answers.rows("ec2", "DescribeInstances", "Reservations"):
        if not isinstance(reservation.get("Instances"), list):
            answers.note_odd(where, "a reservation without a list Instances")
        for index, row in enumerate(rows(reservation, "Instances")):
            id = text(row, "InstanceId")
            if id is None:
                answers.note_odd(where, "an instance without an id")
                continue
            here = where._replace(listed=f"Reservations[{where.at}].Instances", at=index)
            yield _instance(here, id, row, data.get(id, (None, None)))


def _instance(where: Where, id: str, row: Fields, data: tuple[str | None, str | None]) -> Instance:
    return Instance(
        where=where,
        id=id,
        type=text(row, "InstanceType"),
        image_id=text(row, "ImageId"),
        state=text(inner(row, "State"), "Name"),
        launched_at=instant(row, "LaunchTime"),
        root_device=text(row, "RootDeviceName"),
        devices=tuple(
            AttachedVolume(device, text(inner(each, "Ebs"), "VolumeId"))
            for each in rows(row, "BlockDeviceMappings")
            if (device := text(each, "DeviceName"))
        ),
        tags=MappingProxyType(tags(row)),
        user_data=data[0],
        user_data_where=data[1],
    )


def _user_data_of_instances(
    answers: Answers,
) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    name = "ec2:DescribeInstanceAttribute"
    for call, at, page in answers.answers("ec2", "DescribeInstanceAttribute"):
        id = text(call.params, "InstanceId") or text(page, "InstanceId")
        value = page.get("UserData")
        if id is None or not isinstance(value, dict):
            answers.note_garbage(name, "an answer without UserData", at)
            continue
        read = user_data(value.get("Value", ""))  # an instance without user data answers `{}`
        if read is None:
            answers.note_garbage(name, "user data that is no text", at)
        yield id, (read, f"{name}[{at}].pages[0].UserData.Value")


def tasks(answers: Answers) -> Iterator[Task]:
    """ECS tasks, running ones and those that stopped within the hour."""
    listed = {arn for _, arns in answers.names("ecs", "ListTasks", "taskArns") for arn in arns}
    described = tuple(_tasks(answers))
    if listed - {task.arn for task in described}:
        answers.note_garbage("ecs:DescribeTasks", "not every task that ListTasks names")
    return iter(described)


def _tasks(answers: Answers) -> Iterator[Task]:
    for where, row in answers.rows("ecs", "DescribeTasks", "tasks"):
        arn = text(row, "taskArn")
        if arn is None:
            answers.note_odd(where, "a task without an ARN")
            continue
        containers = tuple(rows(row, "containers"))
        reasons = (text(row, "stoppedReason"), *(text(each, "reason") for each in containers))
        digests = (text(each, "imageDigest") for each in containers)
        yield Task(
            where=where,
            arn=arn,
            container_instance_arn=text(row, "containerInstanceArn"),
            started_at=instant(row, "createdAt"),
            pull_started_at=instant(row, "pullStartedAt"),
            pull_stopped_at=instant(row, "pullStoppedAt"),
            reasons=tuple(reason for reason in reasons if reason),
            image_digests=tuple(digest for digest in digests if digest),
        )


def volumes(answers: Answers) -> Iterator[Volume]:
    """EBS volumes."""
    for where, row in answers.rows("ec2", "DescribeVolumes", "Volumes"):
        id = text(row, "VolumeId")
        if id is None:
            answers.note_odd(where, "a volume without an id")
            continue
        yield Volume(
            where=where,
            id=id,
            size_gib=number(row, "Size") or None,
            type=text(row, "VolumeType"),
            iops=whole(row, "Iops"),
            throughput_mibps=number(row, "Throughput"),
        )


def machine_images(answers: Answers) -> Iterator[MachineImage]:
    """AMIs."""
    for where, row in answers.rows("ec2", "DescribeImages", "Images"):
        id = text(row, "ImageId")
        if id is None:
            answers.note_odd(where, "an AMI without an id")
            continue
        yield MachineImage(
            where=where,
            id=id,
            name=text(row, "Name"),
            owner_id=text(row, "OwnerId"),
            root_device=text(row, "RootDeviceName"),
            block_devices=tuple(_block_devices(where.path(), row)),
            created_at=instant(row, "CreationDate"),
        )


def _block_devices(path: str, row: Fields) -> Iterator[BlockDevice]:
    """Mappings of EBS volumes; those of instance stores (`VirtualName`) are none."""
    for index, each in enumerate(rows(row, "BlockDeviceMappings")):
        device = text(each, "DeviceName")
        if device is None or not isinstance(each.get("Ebs"), dict):
            continue
        ebs = inner(each, "Ebs")
        yield BlockDevice(
            path=f"{path}.BlockDeviceMappings[{index}]",
            device=device,
            size_gib=number(ebs, "VolumeSize") or None,
            type=text(ebs, "VolumeType"),
            iops=whole(ebs, "Iops"),
            throughput_mibps=number(ebs, "Throughput"),
        )


def launch_templates(answers: Answers) -> Iterator[LaunchTemplate]:
    """Launch templates, the user's and Batch's copies."""
    for where, row in answers.rows("ec2", "DescribeLaunchTemplates", "LaunchTemplates"):
        id = text(row, "LaunchTemplateId")
        if id is None:
            answers.note_odd(where, "a launch template without an id")
            continue
        yield LaunchTemplate(
            where=where,
            id=id,
            name=text(row, "LaunchTemplateName"),
            default_version=whole(row, "DefaultVersionNumber"),
            latest_version=whole(row, "LatestVersionNumber"),
        )


def template_versions(answers: Answers) -> Iterator[TemplateVersion]:
    """Versions of launch templates; the same version asked for twice comes twice."""
    listed = answers.rows("ec2", "DescribeLaunchTemplateVersions", "LaunchTemplateVersions")
    for where, row in listed:
        id, version = text(row, "LaunchTemplateId"), whole(row, "VersionNumber")
        if id is None or version is None or not isinstance(row.get("LaunchTemplateData"), dict):
            answers.note_odd(where, "a launch template version without its data")
            continue
        data = inner(row, "LaunchTemplateData")
        yield TemplateVersion(
            where=where,
            template_id=id,
            template_name=text(row, "LaunchTemplateName"),
            number=version,
            created_at=instant(row, "CreateTime"),
            image_id=text(data, "ImageId"),
            block_devices=tuple(_block_devices(where.path("LaunchTemplateData"), data)),
            user_data=user_data(data.get("UserData", "")),
        )


def auto_scaling_groups(answers: Answers) -> Iterator[AutoScalingGroup]:
    """Auto Scaling groups with the launch template they launch from."""
    listed = answers.rows("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups")
    for where, row in listed:
        name = text(row, "AutoScalingGroupName")
        if name is None:
            answers.note_odd(where, "an Auto Scaling group without a name")
            continue
        ids = (text(each, "InstanceId") for each in rows(row, "Instances"))
        yield AutoScalingGroup(
            where=where,
            name=name,
            launch_template=_template_of_group(row),
            instance_ids=tuple(id for id in ids if id),
            zones=texts(row, "AvailabilityZones"),
            suspended=tuple(
                name
                for each in rows(row, "SuspendedProcesses")
                if (name := text(each, "ProcessName"))
            ),
        )


def _template_of_group(row: Fields) -> TemplateReference | None:
    mixed = inner(inner(row, "MixedInstancesPolicy"), "LaunchTemplate")
    found = inner(mixed, "LaunchTemplateSpecification") or inner(row, "LaunchTemplate")
    if not found:
        return None
    return TemplateReference(
        text(found, "LaunchTemplateId"), text(found, "LaunchTemplateName"), text(found, "Version")
    )
