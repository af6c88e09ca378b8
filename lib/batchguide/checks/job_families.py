"""Job definitions as people know them: by name, with the jobs that ran from any revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from batchguide.account import Account, Attempt, Job, JobDefinition
from batchguide.account.model_retries import RetryStrategy
from batchguide.checks.common import DESCRIBE_JOBS
from batchguide.findings import Evidence, Verdict, not_applicable, unknown
from batchguide.units import show_count


@dataclass(frozen=True, slots=True)
class Family:
    """All revisions of a name; `definition` is the revision in force, None when none is active.

    In force is the revision of the newest job, else the newest one. A workflow tool may register a
    revision a task: one finding a family stays readable, and a mute outlives the next revision.
    """

    name: str
    definition: JobDefinition | None
    jobs: tuple[Job, ...]
    newest: Job | None  # that was described

    @property
    def resource(self) -> str:
        """How findings name it."""
        return f"job-definition/{self.name}"

    @property
    def retries(self) -> tuple[RetryStrategy, str] | None:
        """What its newest job ran with, or what its definition says; and where that stands."""
        if self.newest is not None and self.newest.retries is not None:
            return self.newest.retries, self.newest.where.path("retryStrategy")
        if self.definition is not None:
            return self.definition.retries, self.definition.where.path("retryStrategy")
        return None

    @property
    def timeout(self) -> tuple[int | None, str] | None:
        """As `retries`, in seconds."""
        if self.newest is not None and self.newest.timeout_s is not None:
            return self.newest.timeout_s, self.newest.where.path("timeout.attemptDurationSeconds")
        if self.definition is not None:
            path = self.definition.where.path("timeout.attemptDurationSeconds")
            return self.definition.timeout_s, path
        return None

    def attempts(self) -> Iterator[tuple[Job, int, Attempt]]:
        """Every attempt with its job and its place in it."""
        for job in self.jobs:
            for at, attempt in enumerate(job.attempts):
                yield job, at, attempt

    def run_times_s(self) -> list[float]:
        """Seconds of attempts that succeeded, the shortest first."""
        return sorted(
            (attempt.stopped_at - attempt.started_at).total_seconds()
            for _, _, attempt in self.attempts()
            if attempt.exit_code == 0
            and attempt.started_at
            and attempt.stopped_at
            and attempt.stopped_at >= attempt.started_at
        )


def families_in_use(account: Account) -> tuple[Family, ...]:
    """Families that have a job in the capture; where no job is known, all of them."""
    key = ("job families", "")
    if key not in account.memo:
        account.memo[key] = tuple(_families(account))
    found: tuple[Family, ...] = account.memo[key]
    return found


def _families(account: Account) -> Iterator[Family]:
    revisions: dict[str, list[JobDefinition]] = defaultdict(list)
    for definition in account.job_definitions:
        revisions[definition.name].append(definition)
    jobs: dict[str, list[Job]] = defaultdict(list)
    for job in account.jobs:
        name = family_name(account, job)
        if name:
            jobs[name].append(job)
    for name in sorted(jobs or revisions):
        yield _family(account, name, revisions.get(name, []), jobs.get(name, []))


def family_name(account: Account, job: Job) -> str | None:
    """The name of a job's definition; a child's listing may leave that to its parent."""
    known = job.definition
    if known is None and not job.single:
        parent = account.job_by_id.get(job.id.partition(":")[0].partition("#")[0])
        known = parent.definition if parent is not None else None
    return (known or "").rpartition("/")[2].partition(":")[0] or None


def _family(account: Account, name: str, revisions: list[JobDefinition], jobs: list[Job]) -> Family:
    jobs.sort(key=_made, reverse=True)
    in_force = account.definition_by_name.get(jobs[0].definition or "") if jobs else None
    newest = max(revisions, key=lambda each: each.revision or 0, default=None)
    described = next((job for job in jobs if job.described), None)
    return Family(name, in_force or newest, tuple(jobs), described)


def _made(job: Job) -> tuple[float, str]:
    at: datetime | None = job.created_at
    return (at.timestamp() if at else 0.0), job.id


def no_revision(family: Family) -> Verdict:
    """Why nothing is said of a definition that jobs name and the capture does not have."""
    message = "no revision of it is active: nobody can submit to it any more"
    return not_applicable(family.resource, message)


def unseen(family: Family) -> Verdict | None:
    """UNKNOWN when how a failed job of the family ended is not in the capture."""
    return without_record(family.resource, family.jobs)


def without_record(resource: str, jobs: Iterable[Job]) -> Verdict | None:
    """UNKNOWN when a failed job was listed only; a verdict on how jobs ended needs all failures."""
    lost = [job for job in jobs if job.status == "FAILED" and not job.described]
    if not lost:
        return None
    message = f"{show_count(len(lost), 'failed job')} without the record of its attempts"
    evidence = Evidence(lost[0].where.path("status"), lost[0].status)
    return unknown(resource, message, evidence, missing=[DESCRIBE_JOBS])
