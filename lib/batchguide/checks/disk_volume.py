"""The volume that Docker writes to: its size, device and type, and whether it is the one meant."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide import facts
from batchguide.account import (
    Account,
    ComputeEnvironment,
    DataVolume,
    Instance,
    TemplateVersion,
    data_volumes,
    fleet_of,
    resolve_template,
    template_of,
    workload_of,
)
from batchguide.account.fleet import BATCH_COPY_PREFIX
from batchguide.account.model import BlockDevice
from batchguide.account.volumes import ami_id_of, prepares_device
from batchguide.checks.budget import densest_of, footprint_of
from batchguide.checks.common import (
    FLEET,
    IMAGES,
    KEYED,
    TEMPLATE,
    USER_DATA,
    VERSIONS,
    VOLUMES,
    WORKLOAD,
    computed,
    needed,
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
from batchguide.units import show_duration, show_size

AREA = "disk"
GROUPS = "autoscaling:DescribeAutoScalingGroups"
METRICS = "cloudwatch:GetMetricData"


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
        yield _no_volume(env, known.missing)
        return
    size = Evidence(smallest.path, smallest.size_gib)
    if smallest.size_gib <= threshold("default_volume_gib"):
        yield _small(account, env, smallest.size_gib, size)
    elif known.missing:
        yield unknown(env.resource, "not every volume was seen", size, missing=known.missing)
    else:
        message = f"Docker writes to {show_size(smallest.size_gib)} ({smallest.origin})"
        yield passes(env.resource, message, size)


def _no_volume(env: ComputeEnvironment, missing: tuple[str, ...]) -> Verdict:
    if missing:
        message = "the size of the volume that Docker writes to is not in the capture"
        return unknown(env.resource, message, missing=missing)
    return not_applicable(env.resource, "it has no instance, and does not say what one would be")


def _small(account: Account, env: ComputeEnvironment, size_gib: float, size: Evidence) -> Verdict:
    workload = workload_of(account, env)
    dense = densest_of(account, env, workload)
    footprint = footprint_of(account, workload.images)
    start = f"Docker writes to {show_size(size_gib)}, the stock AMI's default or less"
    if dense is None or footprint.gib is None:
        message = f"{start}; what its jobs need can't be told"
        return fails(env.resource, message, size, severity=Severity.HIGH)
    need_gib = footprint.gib + dense.containers * threshold("scratch_gib")
    share = threshold("default_volume_share")
    evidence = computed("images + containers * scratch_gib", round(need_gib, 1))
    needs = (
        f"images and {dense.containers} containers at {show_size(threshold('scratch_gib'))} each"
        f" take {show_size(need_gib)}"
    )
    if need_gib > share * size_gib:
        return fails(env.resource, f"{start}; {needs}", size, evidence)
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


@check(
    id="DISK-007",
    title="gp2 volume whose burst credits run out",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, METRICS),
    keyed=[METRICS],
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def burst_credits_run_out(account: Account) -> Iterator[Verdict]:
    """Is the volume that Docker writes to a gp2 volume that lives on burst credits?

    Why it matters: a gp2 volume of 30 GiB earns 100 IOPS; many containers spend the credits, and
    then Docker misses the agent's time limits and jobs fail though their work was done.

    How to fix: use gp3 with explicit IOPS and throughput; it costs less for the same size.

    Source: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
    https://repost.aws/knowledge-center/batch-docker-timeout-error
    """
    yield from on_instances(account, _credits)


def _credits(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known = data_volumes(account, env)
    if not known.volumes:
        yield _no_volume(env, known.missing)
        return
    verdicts = [_credits_of(account, env, volume) for volume in known.volumes]
    verdicts.sort(key=lambda each: (each.status != "FAIL", each.status != "UNKNOWN"))
    serious = [each for each in verdicts if each.status == "FAIL" and each.severity is None]
    worst = (serious or verdicts)[0]
    unseen = next((each for each in verdicts if each.status == "UNKNOWN"), None)
    if not serious and unseen is not None:  # it could be worse than what was seen
        worst = unseen
    if worst.status == "PASS" and known.missing:
        worst = unknown(env.resource, "not every volume was seen", missing=known.missing)
    yield worst


def _credits_of(account: Account, env: ComputeEnvironment, volume: DataVolume) -> Verdict:
    path = volume.path.replace("Size", "VolumeType") if volume.volume_id else volume.path
    evidence = Evidence(path, volume.type)
    if volume.type is None:
        missing = VOLUMES if volume.volume_id else IMAGES
        return unknown(env.resource, "the volume's type is not said", evidence, missing=[missing])
    if volume.type != "gp2" or _never_bursts(volume):
        message = f"{volume.origin} is {quote(volume.type, 20)}, without credits that run out"
        return passes(env.resource, message, evidence)
    if volume.volume_id is None:
        message = (
            f"{volume.origin} gives {show_size(volume.size_gib)} of gp2, which lives on credits"
        )
        return fails(env.resource, message, evidence, severity=Severity.MEDIUM)
    return _balance(account, env, volume, evidence)


def _never_bursts(volume: DataVolume) -> bool:
    """A large gp2 volume earns as many IOPS as it could burst to."""
    gp2 = facts.volume_types()["gp2"]
    baseline = (gp2.baseline_iops_per_gib or 0) * (volume.size_gib or 0)
    return baseline >= (gp2.burst_iops or 0)


def _balance(
    account: Account, env: ComputeEnvironment, volume: DataVolume, type_: Evidence
) -> Verdict:
    series = account.metrics_by_volume.get(volume.volume_id or "", ())
    seen = [each for each in series if each.name == "BurstBalance" and each.values]
    start = f"{volume.volume_id} is {show_size(volume.size_gib)} of gp2"
    if not seen:
        message = f"{start}, and how far its credits fell is not in the capture"
        missing = account.lacks(*METRICS.split(":")) or (f"BurstBalance of {volume.volume_id}",)
        return unknown(env.resource, message, type_, missing=missing)
    lowest = min(min(each.values) for each in seen)
    balance = Evidence(seen[0].where.path("Values"), lowest)
    message = f"{start}; its credits fell to {lowest:.0f} %"
    mild = lowest >= 100 * threshold("burst_balance_share")
    severity = Severity.MEDIUM if mild else None
    return fails(env.resource, message, type_, balance, severity=severity)


@check(
    id="DISK-035",
    title="Volumes differ from the launch template",
    severity="medium",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, GROUPS),
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def volumes_differ_from_template(account: Account) -> Iterator[Verdict]:
    """Do instances have other volumes than the launch template asks for today?

    Why it matters: Batch copies the template when the environment is made or updated; a newer
    version with a larger volume changes nothing, and its author believes the problem solved.

    How to fix: update the compute environment (an infrastructure update) so that Batch reads the
    version again; with BEST_FIT, replace the environment.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
    https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html
    """
    yield from on_instances(account, _drift)


def _drift(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    template, fleet = template_of(account, env), fleet_of(account, env)
    missing = (*template.missing, *fleet.missing)
    if env.launch_template is None:
        yield not_applicable(env.resource, "it has no launch template", firm=True)
    elif template.version is None:
        message = "its launch template is not in the capture"
        yield unknown(env.resource, message, missing=missing or (VERSIONS,))
    else:
        yield from _drift_from(account, env, template.version, missing)


def _drift_from(
    account: Account, env: ComputeEnvironment, wanted: TemplateVersion, missing: tuple[str, ...]
) -> Iterator[Verdict]:
    fleet = fleet_of(account, env)
    unseen = list(missing)
    for instance in fleet.instances:
        found = list(_differences(account, instance, wanted)) + list(
            _copy_differs(account, instance, wanted)
        )
        differing = [each for each in found if isinstance(each, tuple)]
        if differing:
            yield fails(env.resource, differing[0][0], differing[0][1])
            return
        unseen += [each for each in found if isinstance(each, str)]
    if unseen:
        message = f"whether instances follow {wanted.label} can't be told"
        yield unknown(env.resource, message, missing=unseen)
    elif not fleet.instances:
        yield not_applicable(env.resource, "no instance runs that could differ")
    else:
        evidence = Evidence(wanted.where.path("VersionNumber"), wanted.number)
        yield passes(env.resource, f"instances have the volumes of {wanted.label}", evidence)


Difference = tuple[str, Evidence] | str  # a sentence with its evidence, or what is missing


def _differences(
    account: Account, instance: Instance, wanted: TemplateVersion
) -> Iterator[Difference]:
    """Volumes of an instance that is younger than the version and yet unlike it."""
    if instance.launched_at is None or wanted.created_at is None:
        yield f"launch time of {instance.id}, or creation time of {wanted.label}"
        return
    if instance.launched_at < wanted.created_at:
        return
    attached = {each.device: each.volume_id for each in instance.devices}
    for mapping in wanted.block_devices:
        volume = account.volume_by_id.get(attached.get(mapping.device) or "")
        if mapping.size_gib is None:
            continue
        if mapping.device in attached and (volume is None or volume.size_gib is None):
            yield VOLUMES
            continue
        size_gib = volume.size_gib if volume else None
        if size_gib != mapping.size_gib:
            yield _difference(instance, wanted, mapping, size_gib)


def _difference(
    instance: Instance, wanted: TemplateVersion, mapping: BlockDevice, size_gib: float | None
) -> Difference:
    has = f"has {show_size(size_gib)}" if size_gib is not None else "has no volume"
    since = (
        show_duration((instance.launched_at - wanted.created_at).total_seconds())
        if instance.launched_at and wanted.created_at
        else "some time"
    )
    message = (
        f"{instance.id}, launched {since} after {wanted.label} was made, {has} on"
        f" {quote(mapping.device, 40)}; the template asks for {show_size(mapping.size_gib)}"
    )
    return message, Evidence(f"{mapping.path}.Ebs.VolumeSize", mapping.size_gib)


def _copy_differs(
    account: Account, instance: Instance, wanted: TemplateVersion
) -> Iterator[Difference]:
    """Batch's own copy of the template, where it no longer says what the user's does."""
    group = account.group_by_instance.get(instance.id)
    if group is None or group.launch_template is None:
        return
    if not (group.launch_template.name or "").startswith(BATCH_COPY_PREFIX):
        return
    copy = resolve_template(account, group.launch_template)
    if copy.version is None:
        yield from copy.missing
        return
    copied = {each.device: each.size_gib for each in copy.version.block_devices}
    for mapping in wanted.block_devices:
        if mapping.size_gib is not None and copied.get(mapping.device) != mapping.size_gib:
            has = show_size(copied.get(mapping.device)) if mapping.device in copied else "nothing"
            yield (
                f"Batch's copy {copy.version.label} has {has} on {quote(mapping.device, 40)};"
                f" {wanted.label} asks for {show_size(mapping.size_gib)}",
                Evidence(copy.version.where.path("LaunchTemplateData.BlockDeviceMappings"), has),
            )
