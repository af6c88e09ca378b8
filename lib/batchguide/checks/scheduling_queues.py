"""Queues as they are set up: whether they can send a job anywhere, and what ends a blockade."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment, JobQueue
from batchguide.checks.common import ENVIRONMENTS, LIST_JOBS, QUEUES
from batchguide.checks.queues import BUSY, WAITING, environments_of, jobs_in, unseen_environments
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
from batchguide.units import show_count

AREA = "scheduling"
USABLE = ("VALID", "UPDATING")
# https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
LIMITABLE = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
)


@check(
    id="SCHED-008",
    title="Queue, or every environment behind it, is disabled or invalid",
    severity="critical",
    area=AREA,
    needs=[QUEUES, ENVIRONMENTS, LIST_JOBS],
    runbook="20-check-account-health",
)
def queue_leads_nowhere(account: Account) -> Iterator[Verdict]:
    """Is a queue invalid, or every compute environment behind it switched off or invalid?

    Why it matters: such a queue takes jobs and starts none of them; they wait until somebody looks.
    A queue that is itself DISABLED takes no new job, but those in it still run.

    How to fix: enable at least one environment; where AWS calls one INVALID, mend what its status
    reason names, then disable and enable it.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_invalid_ce.html
    https://docs.aws.amazon.com/batch/latest/userguide/invalid_compute_environment.html
    """
    for queue in account.job_queues:
        yield _way_of(account, queue)


def _way_of(account: Account, queue: JobQueue) -> Verdict:
    jobs = len(jobs_in(account, queue, *WAITING, *BUSY))
    state = Evidence(queue.where.path("state"), queue.state)
    status = Evidence(queue.where.path("status"), queue.status)
    if queue.state is None or queue.status is None:
        missing = [f"state and status of {queue.name}"]
        return unknown(queue.resource, "whether it works can't be told", missing=missing)
    if queue.status in ("DELETING", "DELETED"):
        return not_applicable(queue.resource, f"is {queue.status}", status, firm=True)
    if queue.status == "INVALID":
        why = quote(queue.status_reason or "AWS gives no reason")
        return fails(queue.resource, f"is INVALID: {why}", status)
    if queue.state != "ENABLED" and not jobs:
        message = f"is {quote(queue.state, 20)}, and no job is in it"
        return not_applicable(queue.resource, message, state)
    return _behind(account, queue, jobs)


def _behind(account: Account, queue: JobQueue, jobs: int) -> Verdict:
    environments = environments_of(account, queue)
    usable = [env for env in environments if env.state == "ENABLED" and env.status in USABLE]
    evidence = tuple(Evidence(env.where.path("status"), env.status) for env in environments)
    if usable:
        names = ", ".join(quote(env.name, 60) for env in usable)
        return passes(queue.resource, f"leads to {names}", *evidence)
    unsaid = [
        f"state and status of {env.name}"
        for env in environments
        if env.state is None or env.status is None
    ]
    missing = (*unseen_environments(account, queue), *unsaid)
    if missing:
        message = "whether anything works behind it can't be told"
        return unknown(queue.resource, message, *evidence, missing=missing)
    count = show_count(jobs, "job waits", "jobs wait")
    return fails(queue.resource, f"{_dead(environments)}; {count}", *evidence)


def _dead(environments: tuple[ComputeEnvironment, ...]) -> str:
    if not environments:
        return "has no compute environment"
    named = ", ".join(
        f"{quote(env.name, 60)} is {quote(env.state, 20)} and {quote(env.status, 20)}"
        for env in environments
    )
    return f"leads nowhere: {named}"


@check(
    id="SCHED-013",
    title="Nothing ends a blockade by itself",
    severity="medium",
    area=AREA,
    needs=[QUEUES],
    runbook="20-check-account-health",
)
def no_time_limit(account: Account) -> Iterator[Verdict]:
    """Does a queue lack a time limit for a job that blocks it?

    Why it matters: one job that fits nowhere keeps a first-in-first-out queue still over a whole
    weekend, though Batch could cancel it after ten minutes.

    How to fix: give the queue jobStateTimeLimitActions for the three reasons that Batch can detect,
    each with a time between 600 and 86400 seconds.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html
    """
    for queue in account.job_queues:
        yield _limits_of(queue)


def _limits_of(queue: JobQueue) -> Verdict:
    path = queue.where.path("jobStateTimeLimitActions")
    if queue.limited_reasons is None:
        missing = [f"jobStateTimeLimitActions of {queue.name}"]
        return unknown(queue.resource, "what ends a blockade can't be told", missing=missing)
    reasons = Evidence(path, list(queue.limited_reasons))
    lacking = [reason for reason in LIMITABLE if reason not in queue.limited_reasons]
    if not lacking:
        return passes(queue.resource, "a job that blocks it is cancelled after a time", reasons)
    if len(lacking) == len(LIMITABLE):
        return fails(queue.resource, "a job that blocks it blocks it for ever", reasons)
    message = f"nothing ends a blockade by {', '.join(lacking)}"
    return fails(queue.resource, message, reasons, severity=Severity.LOW)
