"""What is paid for and gives nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from batchguide.account import Account, Job, JobQueue
from batchguide.checks.common import (
    DEFINITIONS,
    DESCRIBE_JOBS,
    LIST_JOBS,
    QUEUES,
    computed,
    threshold,
)
from batchguide.checks.endings import ending_of
from batchguide.checks.job_families import without_record
from batchguide.findings import (
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    quote,
    unknown,
)
from batchguide.units import show_count

AREA = "cost"
SHOWN = 3  # endings of one kind
HOUR_S = 3600


@dataclass(slots=True)
class Hours:
    """vCPU-hours of a queue's jobs, failed ones by how they ended.

    Jobs whose vCPUs nobody tells stand in `unsized`.
    """

    total: float = 0.0
    failed: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    unsized: list[Job] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of all hours, those of failed attempts."""
        return sum(self.failed.values()) / self.total if self.total else 0.0

    @property
    def most(self) -> dict[str, float]:
        """The kinds of failure, what takes most hours first."""
        return dict(sorted(self.failed.items(), key=lambda each: -each[1]))


@check(
    id="COST-010",
    title="Failed attempts take a share of the vCPU-hours",
    severity="medium",
    area=AREA,
    needs=[QUEUES, DEFINITIONS, LIST_JOBS, DESCRIBE_JOBS],
    runbook="20-check-account-health",
)
def hours_of_failures(account: Account) -> Iterator[Verdict]:
    """Do failed attempts use up a notable share of the vCPU-hours of a queue?

    Why it matters: an instance costs the same whether its jobs succeed or fail. What failed is
    mostly paid twice: it runs again.

    How to fix: begin with the kind of failure that takes most hours; the message names it. Array
    jobs are left out, for AWS was not asked about those of their children that succeeded.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_AttemptDetail.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """
    for queue in account.job_queues:
        yield _hours_of(account, queue)


def _hours_of(account: Account, queue: JobQueue) -> Verdict:
    jobs = [job for job in account.jobs_of(queue) if job.single]
    hours = _added_up(account, jobs)
    wasted = sum(hours.failed.values())
    message = f"{wasted:,.1f} of {hours.total:,.1f} vCPU-hours went to failed attempts"
    evidence = (
        computed("vCPU-hours of failed attempts, by ending", hours.most),
        computed("vCPU-hours of all attempts but those of arrays", hours.total),
    )
    much = wasted >= threshold("failed_vcpu_hours")
    if much and hours.share > threshold("failed_share_warn"):
        if hours.unsized:
            return _unsized(queue, hours)
        kinds = list(hours.most.items())[:SHOWN]
        said = ", ".join(f"{kind} {count:,.1f}" for kind, count in kinds)
        worse = hours.share > threshold("failed_share_fail")
        severity = None if worse else Severity.LOW
        return fails(
            queue.resource,
            f"{message} ({hours.share:.0%}): {said}",
            *evidence,
            severity=severity,
            by_absence=True,
        )
    lost = without_record(queue.resource, jobs)
    if lost is not None:
        return lost
    if not hours.total:
        return not_applicable(queue.resource, "no attempt ran in the days of the capture")
    return passes(queue.resource, message, *evidence)


def _unsized(queue: JobQueue, hours: Hours) -> Verdict:
    """What jobs of unknown size used could make the share of the failed ones small."""
    count = show_count(len(hours.unsized), "job")
    name = quote(hours.unsized[0].definition, 100)
    message = f"the vCPUs of {count} are not in the capture"
    return unknown(queue.resource, message, missing=[DEFINITIONS, f"vCPUs of {name}"])


def _added_up(account: Account, jobs: list[Job]) -> Hours:
    """Attempts where a job was described, its own times where it was listed and succeeded."""
    hours = Hours()
    for job in jobs:
        definition = account.definition_by_name.get(job.definition or "")
        vcpus = job.vcpus or (definition.vcpus if definition else None)
        ran = _hours(job.started_at, job.stopped_at)
        if vcpus is None:
            if ran:
                hours.unsized.append(job)
        elif job.described:
            _add_attempts(hours, job, vcpus)
        elif job.status == "SUCCEEDED":
            hours.total += ran * vcpus
    return hours


def _add_attempts(hours: Hours, job: Job, vcpus: float) -> None:
    for attempt in job.attempts:
        used = _hours(attempt.started_at, attempt.stopped_at) * vcpus
        hours.total += used
        ending = ending_of(job, attempt)
        if ending is not None and used:
            hours.failed[ending] += used


def _hours(started_at: datetime | None, stopped_at: datetime | None) -> float:
    if started_at is None or stopped_at is None:
        return 0.0
    return max((stopped_at - started_at).total_seconds(), 0.0) / HOUR_S
