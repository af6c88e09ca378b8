"""Image churn: how fast new images come to an instance, and how fast the agent deletes old ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from batchguide.account import Account, Attempt, ComputeEnvironment, Job
from batchguide.account_scenario import SettingsInForce, agent_settings_of
from batchguide.checks.common import (
    FLEET,
    KEYED,
    LIST_TASKS,
    TASKS,
    TEMPLATE,
    USER_DATA,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    threshold,
)
from batchguide.checks.disk_agent import HOUR_S, attempts_on, no_settings
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
from batchguide.units import show_count

AREA = "disk"


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
        yield no_settings(env, known)
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
