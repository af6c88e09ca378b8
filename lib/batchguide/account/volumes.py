"""The volume that Docker writes to on the instances of a compute environment.

The instance never lies, the template may: attached volumes of running instances go first, then the
launch template, then the AMI's own mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from batchguide import facts
from batchguide.account.fleet import Fleet, fleet_of, template_of
from batchguide.account.joined import Account
from batchguide.account.memo import once_an_environment
from batchguide.account.model import (
    BlockDevice,
    ComputeEnvironment,
    Instance,
    MachineImage,
    TemplateVersion,
)

IMAGES = "ec2:DescribeImages"
VOLUMES = "ec2:DescribeVolumes"
USER_DATA = "ec2:DescribeInstanceAttribute"

_GENERATIONS = (
    ("amzn-ami-", "al1"),
    ("amzn2-ami-ecs", "al2"),
    ("al2023-ami-ecs", "al2023"),
)
_IMAGE_TYPES = {"ECS_AL1": "al1", "ECS_AL2": "al2", "ECS_AL2023": "al2023"}
_PREPARES = re.compile(r"\bmkfs|\bmount\b|/etc/fstab|\bpvcreate\b|\bvgextend\b|\bmdadm\b")
_MOVES_DOCKER = re.compile(r"data-root|--graph\b|/var/lib/docker\b")


@dataclass(frozen=True, slots=True)
class DataVolume:
    """What Docker writes to; `origin` says in words where that is known from."""

    instance_id: str | None
    device: str
    size_gib: float | None
    type: str | None
    iops: int | None
    throughput_mibps: float | None
    volume_id: str | None
    origin: str
    path: str


@dataclass(frozen=True, slots=True)
class DataVolumes:
    """One for each running instance, or one as the next instance would get it.

    Neither volumes nor anything missing: there is no instance, and nothing says what one would be.
    """

    volumes: tuple[DataVolume, ...]
    missing: tuple[str, ...]

    @property
    def smallest(self) -> DataVolume | None:
        """The one that fills first."""
        known = [each for each in self.volumes if each.size_gib is not None]
        return min(known, key=lambda each: each.size_gib or 0) if known else None


def generation_of(image: MachineImage | None) -> str | None:
    """al1, al2 or al2023 for an ECS-optimized AMI by its name; None for any other."""
    name = (image.name if image else None) or ""
    found = (generation for start, generation in _GENERATIONS if name.startswith(start))
    return next(found, None)


def prepares_device(user_data: str, device: str) -> bool:
    """Whether user data formats or mounts a device, or moves Docker onto it.

    A device that is found by listing (`lsblk`, `nvme list`) need not be named.
    """
    named = device.rpartition("/")[2] in user_data or re.search(r"\blsblk\b|nvme", user_data)
    does = _PREPARES.search(user_data) or _MOVES_DOCKER.search(user_data)
    return bool(named and does)


@once_an_environment
def data_volumes(account: Account, env: ComputeEnvironment) -> DataVolumes:
    """The volumes that Docker writes to in a compute environment, as far as the capture says."""
    fleet = fleet_of(account, env)
    if fleet.instances or fleet.missing:
        return _of_fleet(account, fleet)
    return _of_template(account, env) if env.managed else DataVolumes((), ())


def _of_fleet(account: Account, fleet: Fleet) -> DataVolumes:
    volumes, missing = [], list(fleet.missing)
    for instance in fleet.instances:
        device = _docker_device(account, instance)
        attached = next((each for each in instance.devices if each.device == device), None)
        if device is None or attached is None:
            missing += _unknown_device(account, instance)
            continue
        volume = account.volume_by_id.get(attached.volume_id or "")
        if volume is None or volume.size_gib is None:
            missing += [VOLUMES, f"size of volume {attached.volume_id or device} of {instance.id}"]
            continue
        volumes.append(
            DataVolume(
                instance_id=instance.id,
                device=device,
                size_gib=volume.size_gib,
                type=volume.type,
                iops=volume.iops,
                throughput_mibps=volume.throughput_mibps,
                volume_id=volume.id,
                origin=f"volume {volume.id} of {instance.id}",
                path=volume.where.path("Size"),
            )
        )
    return DataVolumes(tuple(volumes), tuple(dict.fromkeys(missing)))


def _unknown_device(account: Account, instance: Instance) -> Iterator[str]:
    if instance.root_device is None or len(instance.devices) < 2:
        yield f"root device of instance {instance.id}"
        return
    yield from account.lacks(*IMAGES.split(":")) or (IMAGES,)
    if instance.user_data is None:
        yield from account.lacks(*USER_DATA.split(":")) or (USER_DATA,)


def _docker_device(account: Account, instance: Instance) -> str | None:
    """The device that Docker's data is on; None when that can't be told."""
    others = [each.device for each in instance.devices if each.device != instance.root_device]
    if not others:
        return instance.root_device
    image = account.machine_image_by_id.get(instance.image_id or "")
    generation = generation_of(image)
    own = facts.ami_generations()[generation].data_device if generation else None
    if own in others:
        return own
    if instance.user_data is None or image is None:
        return None
    moved = [device for device in others if _moves_docker(instance.user_data, device)]
    return moved[0] if len(moved) == 1 else instance.root_device


def _moves_docker(user_data: str, device: str) -> bool:
    return prepares_device(user_data, device) and bool(_MOVES_DOCKER.search(user_data))


def _of_template(account: Account, env: ComputeEnvironment) -> DataVolumes:
    """What the next instance would get: the launch template's mapping over the AMI's."""
    template = template_of(account, env)
    if template.missing:
        return DataVolumes((), template.missing)
    layout = _ami_layout(account, env, template.version)
    if layout is None:
        return DataVolumes((), _missing_layout(account, env, template.version))
    devices = template.version.block_devices if template.version else ()
    user_data = (template.version.user_data if template.version else None) or ""
    moved = [each.device for each in devices if _moves_docker(user_data, each.device)]
    device = moved[0] if len(moved) == 1 else layout.device
    asked = next((each for each in devices if each.device == device), None)
    if asked is None:
        return _judged(layout)
    own = layout if layout.device == device else None
    return _judged(_overlaid(asked, own, template.version))


def _missing_layout(
    account: Account, env: ComputeEnvironment, version: TemplateVersion | None
) -> tuple[str, ...]:
    id = ami_id_of(env, version)
    if id is None:
        return (f"image type (ec2Configuration) of {env.name}",)
    return (*(account.lacks(*IMAGES.split(":")) or (IMAGES,)), f"AMI {id}")


def _judged(volume: DataVolume) -> DataVolumes:
    if volume.size_gib is None:
        return DataVolumes((), (IMAGES, f"size of {volume.device} in {volume.origin}"))
    return DataVolumes((volume,), ())


def _overlaid(
    asked: BlockDevice, own: DataVolume | None, version: TemplateVersion | None
) -> DataVolume:
    """A template's mapping; what it leaves out stays as the AMI has it."""
    same_type = own is not None and asked.type in (None, own.type)
    return DataVolume(
        instance_id=None,
        device=asked.device,
        size_gib=asked.size_gib or (own.size_gib if own else None),
        type=asked.type or (own.type if own else None),
        iops=asked.iops or (own.iops if own and same_type else None),
        throughput_mibps=asked.throughput_mibps
        or (own.throughput_mibps if own and same_type else None),
        volume_id=None,
        origin=f"launch template {version.label}" if version else "the launch template",
        path=f"{asked.path}.Ebs.VolumeSize",
    )


def ami_id_of(env: ComputeEnvironment, version: TemplateVersion | None) -> str | None:
    """The AMI that an environment names; None when Batch chooses one of its own.

    AWS's pages disagree on the order when several places name one; here the launch template goes
    first, as https://docs.aws.amazon.com/batch/latest/userguide/managed_compute_environments.html
    has it.
    """
    overrides = (each.image_id_override for each in env.ec2_configurations)
    named = version.image_id if version else None
    return named or env.image_id or next((each for each in overrides if each), None)


def _ami_layout(
    account: Account, env: ComputeEnvironment, version: TemplateVersion | None
) -> DataVolume | None:
    """Docker's device as the AMI maps it; None when the AMI is not in the capture."""
    id = ami_id_of(env, version)
    if id is None:
        return _default_layout(env)
    image = account.machine_image_by_id.get(id)
    if image is None or image.root_device is None:
        return None
    generation = generation_of(image)
    own = facts.ami_generations()[generation].data_device if generation else None
    mapped = {each.device: each for each in image.block_devices}
    device = own if own in mapped and own is not None else image.root_device
    found = mapped.get(device)
    return DataVolume(
        instance_id=None,
        device=device,
        size_gib=found.size_gib if found else None,
        type=found.type if found else None,
        iops=found.iops if found else None,
        throughput_mibps=found.throughput_mibps if found else None,
        volume_id=None,
        origin=f"AMI {id}",
        path=f"{found.path}.Ebs.VolumeSize" if found else image.where.path("BlockDeviceMappings"),
    )


def _default_layout(env: ComputeEnvironment) -> DataVolume | None:
    """The layout of the AMI that Batch chooses for the image type; None when that is not said."""
    types = [each.image_type for each in env.ec2_configurations if each.image_type]
    family = types[0].removesuffix("_NVIDIA") if types else ""
    generation = facts.ami_generations().get(_IMAGE_TYPES.get(family, ""))
    if generation is None:
        return None
    docker = generation.data_device is not None
    return DataVolume(
        instance_id=None,
        device=generation.data_device or generation.root_device,
        size_gib=generation.data_gib if docker else generation.root_gib,
        type=generation.data_volume_type if docker else generation.root_volume_type,
        iops=None,
        throughput_mibps=None,
        volume_id=None,
        origin=f"the default of {generation.title}",
        path=f"={generation.source}",
    )
