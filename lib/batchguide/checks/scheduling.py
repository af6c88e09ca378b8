"""Jobs that wait in RUNNABLE, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchguide import facts
from batchguide.account import Account, Job, JobQueue
from batchguide.checks.common import DESCRIBE_JOBS, LIST_JOBS, QUEUES
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
from batchguide.units import show_count

AREA = "scheduling"
SNAPSHOT = "batch:GetJobQueueSnapshot"
BLOCKED = re.compile(r"(CAPACITY|MISCONFIGURATION|ACTION_REQUIRED|UNDETERMINED)\b")
SHOWN = 3  # pieces of evidence of one kind


@check(
    id="SCHED-001",
    title="Head of queue is blocked with a reason that AWS gives",
    severity="critical",
    area=AREA,
    needs=[QUEUES, LIST_JOBS, DESCRIBE_JOBS, SNAPSHOT],
    keyed=[SNAPSHOT],
    runbook="20-check-account-health",
)
def queue_blocked(account: Account) -> Iterator[Verdict]:
    """Does a waiting job carry one of the reasons by which Batch says that the queue is blocked?

    Why it matters: a first-in-first-out queue stands still behind its head; nothing fails, and
    nobody is told.

    How to fix: mend what the reason names: capacity (more instance types or Zones), a maximum of
    vCPUs or a job shape that no instance type holds, an invalid compute environment; and let
    jobStateTimeLimitActions cancel such heads in future.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_common_causes.html
    """
    for queue in account.job_queues:
        yield _front_of(account, queue)


def _front_of(account: Account, queue: JobQueue) -> Verdict:
    waiting = [job for job in account.jobs_of(queue) if job.status == "RUNNABLE"]
    limit = int(facts.quotas()["batch", "job_queue_snapshot_jobs"].value or 0)
    front = next(
        (each for each in account.queue_fronts if each.queue in (queue.arn, queue.name)), None
    )
    ids = front.job_ids[:limit] if front else ()
    unseen = [id for id in ids if id not in account.job_by_id]
    first = {id: at for at, id in enumerate(ids)}
    waiting.sort(key=lambda job: (first.get(job.id, len(first)), str(job.created_at), job.id))
    blocked = [job for job in waiting[:limit] if BLOCKED.match(job.status_reason or "")]
    if blocked:
        return _blocked(queue, blocked, len(waiting))
    if front is None or unseen:
        missing = [SNAPSHOT] if front is None else [DESCRIBE_JOBS, f"job {unseen[0]}"]
        return unknown(
            queue.resource, "what its first jobs wait for can't be told", missing=missing
        )
    if not waiting:
        return not_applicable(queue.resource, "no job waits in RUNNABLE")
    head = Evidence(waiting[0].where.path("statusReason"), waiting[0].status_reason)
    count = show_count(len(waiting), "job waits", "jobs wait")
    return passes(queue.resource, f"{count} in RUNNABLE, none with a blocking reason", head)


def _blocked(queue: JobQueue, blocked: list[Job], waiting: int) -> Verdict:
    reason = quote(blocked[0].status_reason)
    behind = show_count(waiting - 1, "job", "jobs")
    name = quote(blocked[0].name or blocked[0].id, 60)
    return fails(
        queue.resource,
        f"job {name} is blocked, {behind} behind it: {reason}",
        *(Evidence(job.where.path("statusReason"), job.status_reason) for job in blocked[:SHOWN]),
    )
