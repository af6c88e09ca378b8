"""The ECS agent's cleanup: when stopped containers and unused images give their bytes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from batchguide.account import Account, ComputeEnvironment, data_volumes, fleet_of, template_of
from batchguide.account.joined import cluster_name
from batchguide.account.model import Attempt, Job, MachineImage
from batchguide.account.volumes import ami_id_of, generation_of
from batchguide.account_scenario import AgentKnowledge, SettingsInForce, agent_settings_of
from batchguide.checks.common import (
    FLEET,
    IMAGES,
    KEYED,
    LIST_TASKS,
    TASKS,
    TEMPLATE,
    USER_DATA,
    VOLUMES,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    threshold,
)
from batchguide.disk.agent import image_cleanup_runs
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
from batchguide.units import show_count, show_duration, show_size

AREA = "disk"
HOUR_S = 3600.0
WAIT = "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION"


@check(
    id="DISK-010",
    title="Stopped containers are kept too long on busy instances",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, USER_DATA, WORKLOAD, VOLUMES),
    keyed=KEYED,
    runbook="12-understand-disk",
)
def stopped_containers_kept(account: Account) -> Iterator[Verdict]:
    """Are stopped containers kept so long that a busy instance collects many of them?

    Why it matters: a stopped container keeps what it wrote, its log and its image until the agent
    removes it: 3 hours by the agent's default, 2 minutes as Batch is seen to set it.

    How to fix: set ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION to between 1m and 10m in
    /etc/ecs/ecs.config from the launch template's user data.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/automated_image_cleanup.html
    https://github.com/aws/amazon-ecs-agent/blob/master/README.md
    """
    yield from on_instances(account, _kept)


def _kept(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known = agent_settings_of(account, env)
    if not known.kinds:
        yield _no_settings(env, known)
        return
    longest = max(known.kinds, key=lambda kind: kind.settings.task_cleanup_wait_s)
    wait_s = longest.settings.task_cleanup_wait_s
    per_hour = busiest_hour(account, env)
    volume = data_volumes(account, env).smallest
    dead = per_hour * wait_s / HOUR_S
    held_gib = dead * threshold("scratch_gib")
    evidence = (
        Evidence(longest.path, show_duration(wait_s)),
        computed("attempts that ended on one instance in its busiest hour", per_hour),
    )
    message = f"{WAIT} is {show_duration(wait_s)} ({longest.origin}); " + (
        f"up to {per_hour} containers stop on one instance in an hour, so {dead:.0f} are kept"
        if per_hour
        else "no container was seen to stop on its instances"
    )
    long = wait_s > threshold("cleanup_wait_s")
    if long and per_hour > threshold("cleanup_wait_completions_per_hour"):
        yield fails(env.resource, message, *evidence)
    elif volume and volume.size_gib and held_gib > threshold("dead_share") * volume.size_gib:
        share = held_gib / volume.size_gib
        message += f"; at {show_size(threshold('scratch_gib'))} each, {share:.0%} of the volume"
        yield fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    elif long:
        yield fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    elif known.missing:
        yield unknown(env.resource, f"{message}; not all was seen", missing=known.missing)
    else:
        yield passes(env.resource, message, *evidence)


def _no_settings(env: ComputeEnvironment, known: AgentKnowledge) -> Verdict:
    if known.missing:
        message = "the ECS agent's settings are not in the capture"
        return unknown(env.resource, message, missing=known.missing)
    return not_applicable(env.resource, "it has no instance that would have an agent")


def attempts_on(account: Account, env: ComputeEnvironment) -> tuple[tuple[Job, Attempt], ...]:
    """Attempts that ran on the environment's own instances, gone ones included."""
    return account.attempts_by_cluster.get(cluster_name(env.ecs_cluster_arn) or "", ())


def busiest_hour(account: Account, env: ComputeEnvironment) -> int:
    """Attempts that ended on one instance within one clock hour, at most."""
    ended = Counter(
        (
            attempt.container_instance_arn,
            attempt.stopped_at.replace(minute=0, second=0, microsecond=0),
        )
        for _, attempt in attempts_on(account, env)
        if attempt.stopped_at
    )
    return max(ended.values(), default=0)


@check(
    id="DISK-011",
    title="Image cleanup is switched off",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, USER_DATA, WORKLOAD),
    keyed=KEYED,
    runbook="12-understand-disk",
)
def image_cleanup_off(account: Account) -> Iterator[Verdict]:
    """Does the agent never delete an image, by its own setting or by prefer-cached?

    Why it matters: where several images or tags come by, the volume only ever fills. That
    ECS_IMAGE_PULL_BEHAVIOR=prefer-cached switches cleanup off stands in the agent's source and in
    hardly any guide.

    How to fix: take ECS_DISABLE_IMAGE_CLEANUP out, and use once instead of prefer-cached unless
    the images are baked into the AMI and instances are replaced often.

    Source: https://github.com/aws/amazon-ecs-agent/blob/master/agent/engine/docker_image_manager.go
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html
    """
    yield from on_instances(account, _cleanup)


def _cleanup(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known = agent_settings_of(account, env)
    off = [kind for kind in known.kinds if not image_cleanup_runs(kind.settings)]
    if off:
        yield _off(account, env, off[0])
    elif known.missing or not known.kinds:
        yield _no_settings(env, known)
    else:
        evidence = Evidence(known.kinds[0].path, known.kinds[0].settings.pull_behavior)
        yield passes(env.resource, f"image cleanup runs ({known.kinds[0].origin})", evidence)


def _off(account: Account, env: ComputeEnvironment, kind: SettingsInForce) -> Verdict:
    disabled = kind.settings.image_cleanup_disabled
    setting = (
        "ECS_DISABLE_IMAGE_CLEANUP=true" if disabled else "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached"
    )
    images = {job.image for job, _ in attempts_on(account, env) if job.image}
    age_s = oldest_instance_s(account, env)
    message = (
        f"{setting} ({kind.origin}): no image is ever deleted; {show_count(len(images), 'image')}"
        f" ran, the oldest instance is {show_duration(age_s)} old"
    )
    harmful = len(images) > 1 and (age_s or 0) > threshold("long_lived_instance_s")
    evidence = (Evidence(kind.path, setting), computed("images that ran", sorted(images)))
    severity = None if harmful else Severity.MEDIUM
    return fails(env.resource, message, *evidence, severity=severity)


def oldest_instance_s(account: Account, env: ComputeEnvironment) -> float | None:
    """The age of the oldest running instance at the time of the capture."""
    launched = [each.launched_at for each in fleet_of(account, env).instances if each.launched_at]
    if account.taken_at is None or not launched:
        return None
    return (account.taken_at - min(launched)).total_seconds()


@check(
    id="DISK-012",
    title="Image cleanup can't keep up with new images",
    severity="medium",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, USER_DATA, WORKLOAD, LIST_TASKS, TASKS),
    keyed=KEYED,
    runbook="12-understand-disk",
)
def image_cleanup_too_slow(account: Account) -> Iterator[Verdict]:
    """Do more new images arrive on an instance in an hour than the agent deletes in an hour?

    Why it matters: images then pile up whatever their age; and each deletion holds a lock that
    pulls wait for.

    How to fix: raise ECS_NUM_IMAGES_DELETE_PER_CYCLE or shorten ECS_IMAGE_CLEANUP_INTERVAL (10m at
    least), use fewer tags, or spread jobs with different images over several environments.

    Source: https://github.com/aws/amazon-ecs-agent/blob/master/agent/engine/docker_image_manager.go
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/automated_image_cleanup.html
    """
    yield from on_instances(account, _churn)


def _churn(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known = agent_settings_of(account, env)
    arriving = new_images_per_hour(account, env)
    if not known.kinds:
        yield _no_settings(env, known)
        return
    if arriving is None:
        yield not_applicable(env.resource, "no attempt was seen on its instances")
        return
    slowest = min(known.kinds, key=deleted_per_hour)
    deleted = deleted_per_hour(slowest)
    message = (
        f"up to {show_count(arriving, 'new image')} an hour on one instance; the agent deletes at"
        f" most {deleted:g} ({slowest.origin})"
    )
    evidence = (
        computed("new images on one instance in an hour", arriving),
        Evidence(slowest.path, f"{deleted:g} an hour"),
    )
    if arriving > deleted:
        yield fails(env.resource, message, *evidence)
    elif arriving > threshold("image_churn_share") * deleted:
        yield fails(env.resource, message, *evidence, severity=Severity.LOW)
    elif known.missing:
        yield unknown(env.resource, f"{message}; not all was seen", missing=known.missing)
    else:
        yield passes(env.resource, message, *evidence)


def deleted_per_hour(kind: SettingsInForce) -> float:
    """The most images that the agent deletes in an hour; 0 when its cleanup never runs."""
    settings = kind.settings
    if not image_cleanup_runs(settings):
        return 0.0
    return settings.images_deleted_per_cycle * HOUR_S / settings.image_cleanup_interval_s


def new_images_per_hour(account: Account, env: ComputeEnvironment) -> int | None:
    """Images that came to one instance for the first time within one clock hour, at most."""
    first: dict[tuple[str, str], datetime] = {}
    seen = False
    for job, attempt in attempts_on(account, env):
        at = attempt.started_at or attempt.stopped_at or job.created_at
        image = _digest(account, job, attempt)
        if image is None or at is None:
            continue
        seen = True
        key = (attempt.container_instance_arn or "", image)
        first[key] = min(at, first.get(key, at))
    hours: Counter[tuple[str, datetime]] = Counter()
    for (arn, _), at in first.items():
        hours[arn, at.replace(minute=0, second=0, microsecond=0)] += 1
    return max(hours.values(), default=0) if seen else None


def _digest(account: Account, job: Job, attempt: Attempt) -> str | None:
    """What ECS ran, if it still knows; else what the image string means today."""
    task = account.task_by_arn.get(attempt.task_arn or "")
    if task is not None and task.image_digests:
        return task.image_digests[0]
    image = account.image_of(job.image) if job.image else None
    return image.digest if image else job.image


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
