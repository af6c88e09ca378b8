"""The volume that Docker writes to: its size, device and type, and whether it is the one meant."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide import facts
from batchguide.account import (
    Account,
    ComputeEnvironment,
    Instance,
    TemplateVersion,
    data_volumes,
    fleet_of,
    template_of,
    workload_of,
)
from batchguide.account.volumes import ami_id_of, prepares_device
from batchguide.checks.budget import densest_of, footprint_of
from batchguide.checks.common import (
    FLEET,
    IMAGES,
    KEYED,
    TEMPLATE,
    USER_DATA,
    VOLUMES,
    WORKLOAD,
    computed,
    needed,
    no_volume,
    on_instances,
    threshold,
)
from batchguide.findings import (
    Evidence,
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    quote,
    unknown,
)
from batchguide.units import show_size

AREA = "disk"


@check(
    id="DISK-002",
    title="Volume is no larger than the AMI's default of 30 GiB",
    severity="critical",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, USER_DATA, WORKLOAD, "ecr:DescribeImages"),
    keyed=(*KEYED, "ecr:DescribeImages"),
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def volume_is_default(account: Account) -> Iterator[Verdict]:
    """Is the volume that Docker writes to no larger than the 30 GiB that the stock AMI comes with?

    Why it matters: operating system, images, what all containers write, and logs share it, while
    Batch packs jobs by vCPU and memory and never looks at the disk.

    How to fix: map the AMI's root device to a larger gp3 volume in the compute environment's
    launch template.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-ami-storage-config.html
    https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
    """
    yield from on_instances(account, _default_size)


def _default_size(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known = data_volumes(account, env)
    smallest = known.smallest
    if smallest is None or smallest.size_gib is None:
        yield no_volume(env, known.missing)
        return
    size = Evidence(smallest.path, smallest.size_gib)
    if smallest.size_gib <= threshold("default_volume_gib"):
        yield _small(account, env, smallest.size_gib, size)
    elif known.missing:
        yield unknown(env.resource, "not every volume was seen", size, missing=known.missing)
    else:
        message = f"Docker writes to {show_size(smallest.size_gib)} ({smallest.origin})"
        yield passes(env.resource, message, size)


def _small(account: Account, env: ComputeEnvironment, size_gib: float, size: Evidence) -> Verdict:
    workload = workload_of(account, env)
    dense = densest_of(account, env, workload)
    footprint = footprint_of(account, workload.images)
    start = f"Docker writes to {show_size(size_gib)}, the stock AMI's default or less"
    if dense is None:
        message = f"{start}; what its jobs need can't be told"
        return fails(env.resource, message, size, severity=Severity.HIGH)
    need_gib = footprint.gib + dense.containers * threshold("scratch_gib")
    share = threshold("default_volume_share")
    evidence = computed("images + containers * scratch_gib", round(need_gib, 1))
    needs = (
        f"images and {dense.containers} containers at {show_size(threshold('scratch_gib'))} each"
        f" (assumed) take {show_size(need_gib)}"
    )
    if need_gib > share * size_gib:
        return fails(env.resource, f"{start}; {needs}", size, evidence)
    if footprint.missing:
        message = f"{start}; {needs}, and more for {footprint.missing[-1]}"
        return fails(env.resource, message, size, evidence, severity=Severity.HIGH)
    return passes(env.resource, f"{show_size(size_gib)} is enough: {needs}", size, evidence)


@check(
    id="DISK-005",
    title="Launch template enlarges a device that Docker does not use",
    severity="critical",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, USER_DATA),
    keyed=KEYED,
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def wrong_device_enlarged(account: Account) -> Iterator[Verdict]:
    """Does a launch template, or an instance, carry a volume that nothing formats or mounts?

    Why it matters: the large volume is attached and paid for, while Docker still fills the small
    root volume; whoever added it believes that the disk problem is solved.

    How to fix: name the AMI's own root device in the mapping (/dev/xvda on Amazon Linux; /dev/xvdcz
    belonged to Amazon Linux 1), or format and mount the other one in user data.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-ami-storage-config.html
    """
    yield from on_instances(account, _devices)


def _devices(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    fleet = fleet_of(account, env)
    if fleet.instances:
        verdicts = [_devices_of(account, env, each) for each in fleet.instances]
        failed = [each for each in verdicts if each.status == "FAIL"]
        unsure = [each for each in verdicts if each.status == "UNKNOWN"]
        yield (failed or unsure or verdicts)[0]
    elif fleet.missing:
        message = "its instances and their devices are not in the capture"
        yield unknown(env.resource, message, missing=fleet.missing)
    else:
        yield _devices_of_template(account, env)


def _devices_of(account: Account, env: ComputeEnvironment, instance: Instance) -> Verdict:
    image = account.machine_image_by_id.get(instance.image_id or "")
    if instance.root_device is None or image is None or instance.user_data is None:
        lacking = {
            f"root device of {instance.id}": instance.root_device,
            IMAGES: image,
            USER_DATA: instance.user_data,
        }
        missing = [name for name, value in lacking.items() if value is None]
        return unknown(env.resource, "what uses its devices can't be told", missing=missing)
    own = {each.device for each in image.block_devices} | {instance.root_device}
    for device in instance.devices:
        volume = account.volume_by_id.get(device.volume_id or "")
        if volume is None or volume.size_gib is None:
            why = f"volume {device.volume_id or device.device} of {instance.id} is not described"
            return unknown(env.resource, why, missing=[VOLUMES])
        if device.device not in own and not prepares_device(instance.user_data, device.device):
            return _unused(
                env,
                device.device,
                volume.size_gib,
                instance.root_device,
                Evidence(volume.where.path("Size"), volume.size_gib),
            )
    root = Evidence(instance.where.path("RootDeviceName"), instance.root_device)
    return passes(env.resource, f"every device of {instance.id} is in use", root)


def _unused(
    env: ComputeEnvironment, device: str, size_gib: float | None, root: str, evidence: Evidence
) -> Verdict:
    message = (
        f"{show_size(size_gib)} on {quote(device, 40)} that nothing formats or mounts;"
        f" the root device is {quote(root, 40)}"
    )
    return fails(env.resource, message, evidence)


def _devices_of_template(account: Account, env: ComputeEnvironment) -> Verdict:
    template = template_of(account, env)
    if template.missing:
        message = "its launch template is not in the capture"
        return unknown(env.resource, message, missing=template.missing)
    if template.version is None or not template.version.block_devices:
        return not_applicable(env.resource, "no launch template maps a device, no instance runs")
    return _mapped(account, env, template.version)


def _mapped(account: Account, env: ComputeEnvironment, version: TemplateVersion) -> Verdict:
    root = root_device_of(account, env, version)
    if root is None or version.user_data is None:
        missing = IMAGES if root is None else f"user data of {version.label}"
        return unknown(env.resource, "which device is the root can't be told", missing=[missing])
    for each in version.block_devices:
        if each.device != root and not prepares_device(version.user_data, each.device):
            evidence = Evidence(f"{each.path}.DeviceName", each.device)
            return _unused(env, each.device, each.size_gib, root, evidence)
    evidence = Evidence(f"{version.block_devices[0].path}.DeviceName", root)
    return passes(env.resource, f"{version.label} maps devices that are used", evidence)


def root_device_of(
    account: Account, env: ComputeEnvironment, version: TemplateVersion | None
) -> str | None:
    """The root device of the AMI that the next instance boots; stock AMIs have one and the same."""
    id = ami_id_of(env, version)
    if id is not None:
        image = account.machine_image_by_id.get(id)
        return image.root_device if image else None
    roots = {each.root_device for each in facts.ami_generations().values()}
    return roots.pop() if len(roots) == 1 else None
