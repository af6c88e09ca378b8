"""Attempts that left no log, for they never ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batchguide.account import Account, Job, JobQueue
from batchguide.checks.common import DESCRIBE_JOBS, LIST_JOBS, QUEUES, threshold
from batchguide.checks.endings import ending_of
from batchguide.checks.job_families import without_record
from batchguide.findings import Evidence, Verdict, check, fails, not_applicable, passes
from batchguide.units import show_count

AREA = "logging"
SHOWN = 3  # pieces of evidence, or endings, of one kind


@check(
    id="LOG-011",
    title="Failed attempts have no log to read",
    severity="low",
    area=AREA,
    needs=[QUEUES, LIST_JOBS, DESCRIBE_JOBS],
    runbook="20-check-account-health",
)
def never_started(account: Account) -> Iterator[Verdict]:
    """Did attempts fail before their container ran, so that there is no log stream?

    Why it matters: who looks for the error in the job's log finds nothing there, and searches the
    code for what the image, the volume or the network did.

    How to fix: read the reasons of the attempts instead (triage sorts them), and mend what they
    name: a full disk, a failed pull, a command that the image does not have.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_AttemptContainerDetail.html
    """
    for queue in account.job_queues:
        yield _streams(account, queue)


def _streams(account: Account, queue: JobQueue) -> Verdict:
    jobs = account.jobs_of(queue)
    attempts = sum(len(job.attempts) for job in jobs)
    found = [
        (job, at, ending)
        for job in jobs
        for at, attempt in enumerate(job.attempts)
        if not (attempt.started_at or attempt.log_stream)
        and (ending := ending_of(job, attempt)) is not None
    ]
    message = f"{len(found):,} of {show_count(attempts, 'attempt')} failed before they ran"
    many = len(found) >= threshold("never_started")
    if many and len(found) / attempts >= threshold("never_started_share"):
        kinds = Counter(ending for _, _, ending in found).most_common(SHOWN)
        said = ", ".join(f"{kind} {count:,}" for kind, count in kinds)
        shown = (_shown(job, at) for job, at, _ in found[:SHOWN])
        return fails(queue.resource, f"{message} ({said}): there is no log of them", *shown)
    lost = without_record(queue.resource, jobs)
    if lost is not None:
        return lost
    if not attempts:
        return not_applicable(queue.resource, "no attempt ended in the days of the capture")
    return passes(queue.resource, message)


def _shown(job: Job, at: int) -> Evidence:
    attempt = job.attempts[at]
    field = "container.reason" if attempt.reason else "statusReason"
    path = job.where.path(f"attempts[{at}].{field}")
    return Evidence(path, attempt.reason or attempt.status_reason)
