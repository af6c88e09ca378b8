"""What a capture says of a job, as sightings with their place in the capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from batchguide.findings import quote
from batchguide.triage.reading import Sighting, sightings
from batchguide.triage.table import Rules, rules

if TYPE_CHECKING:
    from batchguide.account import Account
    from batchguide.account.model import Attempt, ComputeEnvironment, Job

GONE = ("shutting-down", "terminated", "stopping", "stopped")
WAITING = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")
MOST_CHILDREN = 50


@dataclass(frozen=True, slots=True)
class Said:
    """Words or an exit code that the capture has of a job, and how much of their weight counts."""

    place: str
    words: tuple[str, ...]
    exit_code: int | None
    share: float


def job_sightings(account: Account, job: Job, table: Rules) -> Iterator[Sighting]:
    """Every signal of a job: its last attempt whole, earlier ones in part, then the facts."""
    seen = _strongest(
        sighting for said in _said(account, job, table) for sighting in _sightings(said, table)
    )
    yield from seen
    if job.status == "SUCCEEDED":
        yield _fact("succeeded", job.where.path("status"), job.status, table)
        return
    yield from _instance_facts(account, job, table)
    yield from _environment_facts(account, job, table)


def _said(account: Account, job: Job, table: Rules) -> Iterator[Said]:
    """The last attempt comes last in AWS's list; without attempts the job's own fields speak."""
    last = len(job.attempts) - 1
    for index, attempt in enumerate(job.attempts):
        share = 1.0 if index == last else table.scale.earlier_attempt
        words = _present(attempt.status_reason, attempt.reason, *_task_words(account, attempt))
        yield Said(job.where.path(f"attempts[{index}]"), words, attempt.exit_code, share)
    own = _present(job.status_reason, job.reason)
    yield Said(job.where.path("statusReason"), own, job.exit_code, 1.0)
    for child in _failed_children(account, job):
        words = _present(child.status_reason, child.reason)
        yield Said(child.where.path(), words, child.exit_code, table.scale.earlier_attempt)


def _present(*words: str | None) -> tuple[str, ...]:
    return tuple(each for each in words if each)


def _task_words(account: Account, attempt: Attempt) -> tuple[str, ...]:
    """ECS keeps the whole reason where Batch cuts it."""
    task = account.task_by_arn.get(attempt.task_arn or "")
    return task.reasons if task is not None else ()


def _failed_children(account: Account, job: Job) -> Iterator[Job]:
    if job.array_size is None:
        return
    children = (each for each in account.jobs if each.id.startswith(f"{job.id}:"))
    failed = (each for each in children if each.status == "FAILED")
    for _, child in zip(range(MOST_CHILDREN), failed, strict=False):
        yield child


def _sightings(said: Said, table: Rules) -> Iterator[Sighting]:
    for words in said.words:
        for found in _read(words):
            yield replace(found, place=said.place, share=found.share * said.share)
    if said.exit_code is not None:
        signal = table.for_exit_code(said.exit_code)
        yield Sighting(signal, f"exitCode {said.exit_code}", said.place, share=said.share)


@lru_cache(maxsize=2048)
def _read(words: str) -> tuple[Sighting, ...]:
    """Jobs say the same few sentences again and again."""
    return tuple(sightings(words, rules()))


def _strongest(found: Iterable[Sighting]) -> Sequence[Sighting]:
    """Each signal once: affirmed rather than denied, and where it counts most."""
    best: dict[str, Sighting] = {}
    for sighting in found:
        held = best.get(sighting.signal.id)
        if held is None or (sighting.share, not sighting.denied) > (held.share, not held.denied):
            best[sighting.signal.id] = sighting
    return tuple(best.values())


def _fact(name: str, place: str, words: str, table: Rules) -> Sighting:
    return Sighting(table.for_fact(name), quote(words), place)


def _instance_facts(account: Account, job: Job, table: Rules) -> Iterator[Sighting]:
    if not job.attempts:
        return
    place, attempt = job.where.path(f"attempts[{len(job.attempts) - 1}]"), job.attempts[-1]
    if attempt.started_at is None and attempt.stopped_at is not None:
        yield _fact("never-started", f"{place}.startedAt", "no startedAt", table)
    arn = attempt.container_instance_arn
    member = account.container_instance_by_arn.get(arn or "")
    instance = account.instance_by_id.get(member.instance_id or "") if member else None
    if instance is not None and instance.state in GONE:
        yield _fact("instance-ended", instance.where.path("State.Name"), instance.state, table)
    others = _full_on(account, job, arn) if arn else 0
    if others:
        words = f"{others} other jobs on {arn}"
        yield _fact("same-instance-full", f"{place}.container.containerInstanceArn", words, table)


def _full_on(account: Account, job: Job, arn: str | None) -> int:
    """How many other jobs met a full disk on the same container instance."""
    full = next(each for each in rules().signals if each.id == "no-space")
    return sum(
        1
        for other in account.jobs
        if other.id != job.id
        for attempt in other.attempts[-1:]
        if attempt.container_instance_arn == arn
        and any(phrase in (attempt.reason or "").lower() for phrase in full.phrases)
    )


def _environment_facts(account: Account, job: Job, table: Rules) -> Iterator[Sighting]:
    environments = tuple(_environments(account, job))
    if job.status in WAITING:
        for env in environments:
            if env.status == "INVALID":
                words = env.status_reason or "INVALID"
                yield _fact("environment-invalid", env.where.path("status"), words, table)
                yield from sightings(words, table, env.where.path("statusReason"))
    elif environments and all("SPOT" in (env.resource_type or "") for env in environments):
        where = environments[0].where.path("computeResources.type")
        yield _fact("on-spot", where, str(environments[0].resource_type), table)


def _environments(account: Account, job: Job) -> Iterator[ComputeEnvironment]:
    queue = account.queue_by_name.get(job.queue or "")
    for name in queue.environments if queue is not None else ():
        env = account.environment_by_name.get(name)
        if env is not None:
            yield env
