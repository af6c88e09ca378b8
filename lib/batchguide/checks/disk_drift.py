"""Drift: instances whose volumes are not what the launch template says today."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account import (
    Account,
    ComputeEnvironment,
    Instance,
    TemplateVersion,
    fleet_of,
    resolve_template,
    template_of,
)
from batchguide.account.fleet import BATCH_COPY_PREFIX
from batchguide.account.model import BlockDevice
from batchguide.checks.common import FLEET, TEMPLATE, VERSIONS, VOLUMES, needed, on_instances
from batchguide.findings import (
    Evidence,
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
