"""The ECS agent's cleanup: when stopped containers and unused images give their bytes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment, data_volumes, fleet_of
from batchguide.account.model import Attempt, Job
from batchguide.account.names import cluster_name
from batchguide.account_scenario import AgentKnowledge, SettingsInForce, agent_settings_of
from batchguide.checks.common import (
    FLEET,
    KEYED,
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
        yield no_settings(env, known)
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
        message += (
            f"; at {show_size(threshold('scratch_gib'))} each (assumed), {share:.0%} of the volume"
        )
        yield fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    elif long:
        yield fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    elif known.missing:
        yield unknown(env.resource, f"{message}; not all was seen", missing=known.missing)
    else:
        yield passes(env.resource, message, *evidence)


def no_settings(env: ComputeEnvironment, known: AgentKnowledge) -> Verdict:
    """Why nothing can be said of the agent on an environment's instances."""
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
        yield no_settings(env, known)
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
