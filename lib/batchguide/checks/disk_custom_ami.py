"""Instances that do without the cleanup settings that Batch gives its own."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment, MachineImage, fleet_of, template_of
from batchguide.account.volumes import ami_id_of, generation_of
from batchguide.account_scenario import agent_settings_of
from batchguide.checks.common import (
    FLEET,
    IMAGES,
    KEYED,
    TEMPLATE,
    USER_DATA,
    needed,
    on_instances,
)
from batchguide.checks.disk_agent import WAIT
from batchguide.findings import Evidence, Severity, Verdict, check, fails, passes, quote, unknown

AREA = "disk"


@check(
    id="DISK-014",
    title="Custom AMI or unmanaged environment goes without Batch's cleanup settings",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, USER_DATA),
    keyed=KEYED,
    runbook="12-understand-disk",
)
def cleanup_defaults_bypassed(account: Account) -> Iterator[Verdict]:
    """Do instances of a custom AMI, or of an unmanaged environment, lack Batch's cleanup settings?

    Why it matters: Batch tunes cleanup through user data of the instances that it manages; an AMI
    with an agent of its own, or an unmanaged environment, keeps stopped containers for 3 hours.

    How to fix: write ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION and the image cleanup settings in user
    data, or bake them into the AMI's /etc/ecs/ecs.config; better, use the stock AMI.

    Source: https://repost.aws/knowledge-center/batch-docker-timeout-error
    https://docs.aws.amazon.com/batch/latest/userguide/create-batch-ami.html
    """
    yield from on_instances(account, _bypassed)


def _bypassed(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    images, missing = _images_in_use(account, env)
    custom = [image for image in images if is_custom(account, image)]
    if env.managed and not custom:
        if missing:
            yield unknown(env.resource, "which AMI it uses can't be told", missing=missing)
        else:
            name = images[0].name if images else "Batch's own AMI"
            yield passes(env.resource, f"uses {quote(name, 80)}, as AWS makes it")
        return
    what = f"AMI {custom[0].id} is not AWS's" if custom else "is unmanaged"
    evidence = (
        Evidence(custom[0].where.path("Name"), custom[0].name)
        if custom
        else Evidence(env.where.path("type"), env.type)
    )
    yield _settings_of_custom(account, env, what, evidence)


def _settings_of_custom(
    account: Account, env: ComputeEnvironment, what: str, evidence: Evidence
) -> Verdict:
    known = agent_settings_of(account, env)
    without = [kind for kind in known.kinds if WAIT not in kind.assigned]
    if without and fleet_of(account, env).instances:
        message = f"{what}, and {without[0].origin} sets no {WAIT}"
        return fails(env.resource, message, evidence, Evidence(without[0].path, None))
    if not known.kinds and known.missing:
        message = f"{what}, and whether it cleans up can't be told"
        return unknown(env.resource, message, evidence, missing=known.missing)
    message = f"{what}; keep its cleanup settings up to date yourself"
    return fails(env.resource, message, evidence, severity=Severity.MEDIUM)


def _images_in_use(
    account: Account, env: ComputeEnvironment
) -> tuple[list[MachineImage], tuple[str, ...]]:
    """AMIs of running instances; of none running, the one that would be launched."""
    fleet = fleet_of(account, env)
    template = template_of(account, env)
    ids = {each.image_id for each in fleet.instances}
    missing = list(fleet.missing)
    if not ids and not missing:
        missing += template.missing
        ids = {ami_id_of(env, template.version)} - {None}
    known = [
        account.machine_image_by_id[id]
        for id in sorted(filter(None, ids))
        if id in account.machine_image_by_id
    ]
    if len(known) < len(ids):
        missing += [*account.lacks(*IMAGES.split(":")), f"AMI {sorted(map(str, ids))[0]}"]
    return known, tuple(dict.fromkeys(missing))


def is_custom(account: Account, image: MachineImage) -> bool:
    """Whether an AMI is not an ECS-optimized one of AWS: by its name, and by its owner."""
    own = account.answers.capture.meta.get("account")
    return generation_of(image) is None or (own is not None and image.owner_id == own)
