"""The AMI that container instances boot, and the ECS agent on it."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment, fleet_of, template_of
from batchguide.account.volumes import ami_id_of, generation_of
from batchguide.checks.common import FLEET, IMAGES, TEMPLATE, needed, on_instances
from batchguide.findings import Evidence, Severity, Verdict, check, fails, passes, quote, unknown

AREA = "images-and-agents"
ENDED = ("al1", "al2")
FAMILIES = {"ECS_AL1": "al1", "ECS_AL2": "al2", "ECS_AL2023": "al2023"}


@check(
    id="AMI-001",
    title="Amazon Linux 2 (or 1) after its end of support",
    severity="critical",
    area=AREA,
    needs=needed(FLEET, TEMPLATE),
    runbook="20-check-account-health",
)
def amazon_linux_unsupported(account: Account) -> Iterator[Verdict]:
    """Does a compute environment ask for an Amazon Linux whose support has ended, or run it?

    Why it matters: the AMI gets no patches, and Batch refuses new compute environments with its
    own Amazon Linux 2 AMI, so that the environment can't be rebuilt after an incident.

    How to fix: set the image type to ECS_AL2023, try user data and jobs there (cgroup v2, dnf,
    IMDSv2), and update the environment or replace it.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/ecs-al2-ami-deprecation.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-optimized_AMI.html
    """
    yield from on_instances(account, _generation)


def _generation(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    found = dict(_asked_for(account, env)) | dict(_running(account, env))
    for generation in ENDED:
        if generation in found:
            yield _ended(account, env, generation, found[generation])
            return
    missing = fleet_of(account, env).missing
    if "al2023" in found and not missing:
        yield passes(env.resource, "runs Amazon Linux 2023", found["al2023"])
        return
    named = (*missing, *_unnamed(account, env))
    yield unknown(
        env.resource,
        "which Amazon Linux its instances run can't be told",
        missing=named or [f"image type (ec2Configuration) of {env.name}"],
    )


def _ended(
    account: Account, env: ComputeEnvironment, generation: str, evidence: Evidence
) -> Verdict:
    ami = facts.ami_generations()[generation]
    over = account.taken_at is None or account.taken_at.date().isoformat() >= ami.end_of_support_on
    when = f"support {'ended' if over else 'ends'} on {ami.end_of_support_on}"
    message = f"uses {ami.title}, whose {when} ({quote(evidence.value, 80)})"
    return fails(env.resource, message, evidence, severity=None if over else Severity.HIGH)


def _asked_for(account: Account, env: ComputeEnvironment) -> Iterator[tuple[str, Evidence]]:
    """Generations by image type and by the name of the AMI that would be launched."""
    for index, each in enumerate(env.ec2_configurations):
        family = FAMILIES.get((each.image_type or "").removesuffix("_NVIDIA"))
        if family:
            path = env.where.path(f"computeResources.ec2Configuration[{index}].imageType")
            yield family, Evidence(path, each.image_type)
    id = ami_id_of(env, template_of(account, env).version)
    yield from _by_name(account, id)


def _running(account: Account, env: ComputeEnvironment) -> Iterator[tuple[str, Evidence]]:
    for instance in fleet_of(account, env).instances:
        yield from _by_name(account, instance.image_id)


def _by_name(account: Account, id: str | None) -> Iterator[tuple[str, Evidence]]:
    image = account.machine_image_by_id.get(id or "")
    generation = generation_of(image)
    if image is not None and generation is not None:
        yield generation, Evidence(image.where.path("Name"), image.name)


def _unnamed(account: Account, env: ComputeEnvironment) -> Iterator[str]:
    for instance in fleet_of(account, env).instances:
        image = account.machine_image_by_id.get(instance.image_id or "")
        if image is not None:
            yield f"what AMI {image.id} ({quote(image.name, 80)}) is built on"
        else:
            yield from (*account.lacks(*IMAGES.split(":")), f"AMI {instance.image_id}")
