"""Jobs that wait or start for too long, and the ceiling that makes them wait."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment, Job, JobQueue
from batchguide.checks.common import (
    DESCRIBE_JOBS,
    ENVIRONMENTS,
    LIST_JOBS,
    LIST_TASKS,
    QUEUES,
    TASKS,
    computed,
    threshold,
)
from batchguide.checks.queues import (
    SNAPSHOT,
    environments_of,
    front_of,
    jobs_in,
    no_clock,
    seconds_since,
    unseen_environments,
    wanted_by,
    works,
)
from batchguide.checks.scheduling import BLOCKED
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
from batchguide.units import show_count, show_duration

AREA = "scheduling"


def at_ceiling(env: ComputeEnvironment) -> bool:
    """Whether Batch has asked for all the vCPUs that it may; False also when that is not said."""
    if env.desired_vcpus is None or not env.max_vcpus:
        return False
    return env.desired_vcpus >= threshold("ceiling_share") * env.max_vcpus


@check(
    id="SCHED-002",
    title="Head of queue has not moved for long",
    severity="high",
    area=AREA,
    needs=[QUEUES, LIST_JOBS, DESCRIBE_JOBS, SNAPSHOT, ENVIRONMENTS],
    keyed=[SNAPSHOT],
    runbook="20-check-account-health",
)
def head_stands_still(account: Account) -> Iterator[Verdict]:
    """Has the first waiting job of a queue kept its place for long, and AWS gives no reason?

    Why it matters: Batch names a reason only for what it can detect; no network, an agent that
    does not register or a log driver that the AMI lacks leave the job in RUNNABLE without a word.

    How to fix: look at the other findings of this queue's compute environments first (instances
    that do not join, launches that fail, jobs that fit nowhere), then at network, AMI and roles.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_common_causes.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_FrontOfQueueJobSummary.html
    """
    for queue in account.job_queues:
        yield _head(account, queue)


def _head(account: Account, queue: JobQueue) -> Verdict:
    front = front_of(account, queue)
    if front is None:
        missing = account.lacks(*SNAPSHOT.split(":")) or (SNAPSHOT,)
        return unknown(queue.resource, "what stands at its head can't be told", missing=missing)
    if not front.job_ids:
        return _nothing_in_front(account, queue)
    age_s = seconds_since(account, front.head_since)
    if age_s is None:
        unsaid = ["time of the capture (taken_at)", f"earliestTimeAtPosition of {queue.name}"]
        message = "since when its head waits can't be told"
        return unknown(queue.resource, message, missing=unsaid)
    return _aged(account, queue, front.job_ids[0], age_s, f"{front.where}[0]")


def _nothing_in_front(account: Account, queue: JobQueue) -> Verdict:
    """Snapshots lag: a job that became RUNNABLE just now may be listed and not yet stand in one."""
    limit_s = threshold("head_waits_warn_s")
    ages = [seconds_since(account, job.created_at) for job in jobs_in(account, queue, "RUNNABLE")]
    if not ages:
        return not_applicable(queue.resource, "no job waits in RUNNABLE")
    if all(age is not None and age <= limit_s for age in ages):
        return passes(queue.resource, f"{show_count(len(ages), 'job waits', 'jobs wait')} briefly")
    message = "jobs wait in RUNNABLE, and none of them stands in the snapshot of the queue"
    missing = [SNAPSHOT, f"first RUNNABLE job of {queue.name}"]
    return unknown(queue.resource, message, missing=missing)


def _aged(account: Account, queue: JobQueue, id: str, age_s: float, path: str) -> Verdict:
    job = account.job_by_id.get(id)
    name = quote((job.name if job else None) or id, 60)
    since = Evidence(f"{path}.earliestTimeAtPosition", show_duration(age_s))
    message = f"job {name} has stood at its head for {show_duration(age_s)}"
    if age_s <= threshold("head_waits_warn_s"):
        return passes(queue.resource, message, since)
    if job is not None and BLOCKED.match(job.status_reason or ""):
        reason = Evidence(job.where.path("statusReason"), job.status_reason)
        return not_applicable(queue.resource, f"{message}; AWS says why", reason, firm=True)
    full = [env for env in environments_of(account, queue) if at_ceiling(env)]
    if full and any(works(account, env) for env in full):
        ceiling = Evidence(full[0].where.path("computeResources.maxvCpus"), full[0].max_vcpus)
        names = quote(full[0].name, 60)
        return passes(queue.resource, f"{message}, for {names} is full and works", since, ceiling)
    long = age_s > threshold("head_waits_fail_s")
    return fails(
        queue.resource,
        f"{message}, and AWS gives no reason",
        since,
        severity=None if long else Severity.MEDIUM,
    )


@check(
    id="SCHED-012",
    title="Backlog because an environment is at its maximum of vCPUs",
    severity="medium",
    area=AREA,
    needs=[QUEUES, LIST_JOBS, DESCRIBE_JOBS, ENVIRONMENTS],
    runbook="20-check-account-health",
)
def backlog_at_ceiling(account: Account) -> Iterator[Verdict]:
    """Do jobs wait for long because every environment of their queue has all the vCPUs it may have?

    Why it matters: nothing is broken, yet it looks like a stuck queue; how long the backlog takes
    is a matter of maxvCpus alone.

    How to fix: raise maxvCpus (a scaling update that disturbs no job; look at the EC2 quota
    first), or accept the wait.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_common_causes.html
    """
    for queue in account.job_queues:
        yield _backlog(account, queue)


def _backlog(account: Account, queue: JobQueue) -> Verdict:
    limit_s = threshold("backlog_s")
    waiting = jobs_in(account, queue, "RUNNABLE")
    if not waiting:
        return not_applicable(queue.resource, "no job waits in RUNNABLE")
    environments = environments_of(account, queue)
    sized = [env for env in environments if env.max_vcpus and env.desired_vcpus is not None]
    if any(not at_ceiling(env) for env in sized):
        env = next(env for env in sized if not at_ceiling(env))
        return passes(
            queue.resource,
            f"{quote(env.name, 60)} may still grow: {env.desired_vcpus} of {env.max_vcpus} vCPUs",
            Evidence(env.where.path("computeResources.desiredvCpus"), env.desired_vcpus),
        )
    if not environments or len(sized) < len(environments) or unseen_environments(account, queue):
        return _no_ceiling(account, queue, environments)
    ages = [seconds_since(account, job.created_at) for job in waiting]
    if account.taken_at is None or None in ages:
        return no_clock(queue.resource, "how long its jobs wait")
    oldest_s = max(age for age in ages if age is not None)
    if oldest_s <= limit_s:
        return passes(queue.resource, f"full, and its jobs wait {show_duration(oldest_s)} at most")
    return _full(account, queue, waiting, sized, oldest_s)


def _no_ceiling(
    account: Account, queue: JobQueue, environments: tuple[ComputeEnvironment, ...]
) -> Verdict:
    if any(not env.managed for env in environments):
        return not_applicable(queue.resource, "you size its unmanaged environment", firm=True)
    unseen = [f"desiredvCpus and maxvCpus of {env.name}" for env in environments if env.managed]
    missing = (*unseen_environments(account, queue), *unseen) or (
        f"compute environments of {queue.name}",
    )
    return unknown(queue.resource, "whether it may still grow can't be told", missing=missing)


def _full(
    account: Account,
    queue: JobQueue,
    waiting: tuple[Job, ...],
    environments: list[ComputeEnvironment],
    oldest_s: float,
) -> Verdict:
    most = sum(env.max_vcpus or 0 for env in environments)
    message = (
        f"{show_count(len(waiting), 'job waits', 'jobs wait')}, the oldest for"
        f" {show_duration(oldest_s)}, with all {most} vCPUs in use"
    )
    evidence = [
        Evidence(env.where.path("computeResources.desiredvCpus"), env.desired_vcpus)
        for env in environments
    ]
    drain_s = _drain_s(account, queue, waiting, most)
    if drain_s is not None:
        message += f"; they take some {show_duration(drain_s)} to start"
        evidence.append(computed("waiting vCPUs * median run time / maxvCpus", round(drain_s)))
    return fails(queue.resource, message, *evidence)


def _drain_s(
    account: Account, queue: JobQueue, waiting: tuple[Job, ...], vcpus: int
) -> float | None:
    """How long the waiting jobs take to start; None when a size or every run time is not known."""
    sizes = [wanted_by(account, job) for job in waiting]
    ran = [
        (attempt.stopped_at - attempt.started_at).total_seconds()
        for job in account.jobs_of(queue)
        for attempt in job.attempts
        if attempt.started_at and attempt.stopped_at and attempt.stopped_at >= attempt.started_at
    ]
    if not ran or None in sizes:
        return None
    demand = sum(each.vcpus * (each.job.array_size or 1) for each in sizes if each is not None)
    return demand * statistics.median(ran) / vcpus


@check(
    id="SCHED-020",
    title="Job sits in STARTING",
    severity="high",
    area=AREA,
    needs=[QUEUES, LIST_JOBS, DESCRIBE_JOBS, LIST_TASKS, TASKS],
    runbook="20-check-account-health",
)
def job_sits_in_starting(account: Account) -> Iterator[Verdict]:
    """Is a job in STARTING for longer than an image pull takes?

    Why it matters: a giant image, a Docker daemon that hangs or a full disk keep a job in STARTING;
    the job's timeout counts only from RUNNING, so that nothing ends it.

    How to fix: look at the instance's disk and the size of the image; terminate the job, and the
    instance when several jobs on it start for ever.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    """
    for queue in account.job_queues:
        yield _starting(account, queue)


def _starting(account: Account, queue: JobQueue) -> Verdict:
    starting = jobs_in(account, queue, "STARTING")
    if not starting:
        return not_applicable(queue.resource, "no job is in STARTING")
    if account.taken_at is None:
        return no_clock(queue.resource, "how long its jobs start")
    aged = [(job, _starts_for_s(account, job)) for job in starting]
    known = [(age, job) for job, age in aged if age is not None]
    longest_s, job = max(known, key=lambda each: each[0], default=(0.0, starting[0]))
    unseen = [job for job, age in aged if age is None]
    if longest_s > threshold("starting_warn_s"):
        return _starts_long(account, queue, job, longest_s, known)
    if unseen:
        message = "since when its jobs start can't be told"
        missing = [*account.lacks(*TASKS.split(":")), f"ECS task of job {unseen[0].id}"]
        return unknown(queue.resource, message, missing=missing)
    count = show_count(len(starting), "job starts", "jobs start")
    return passes(
        queue.resource,
        f"{count}, for {show_duration(max(longest_s, 0))} at most",
        Evidence(job.where.path("status"), job.status),
    )


def _starts_for_s(account: Account, job: Job) -> float | None:
    """By its ECS task, made as STARTING begins; a job younger than the limit needs none."""
    task = account.task_by_arn.get(job.task_arn or "")
    if task is not None and task.started_at is not None:
        return seconds_since(account, task.started_at)
    age_s = seconds_since(account, job.created_at)
    young = age_s is not None and age_s <= threshold("starting_warn_s")
    return age_s if young else None


def _starts_long(
    account: Account, queue: JobQueue, job: Job, age_s: float, known: list[tuple[float, Job]]
) -> Verdict:
    task = account.task_by_arn.get(job.task_arn or "")
    if task is None or task.pull_started_at is None:
        state = "no pull has begun: agent or Docker hangs"
    elif task.pull_stopped_at is None:
        state = "its image is still being pulled"
    else:
        state = "its image is there: Docker does not start it"
    others = sum(1 for age, _ in known if age > threshold("starting_warn_s")) - 1
    more = f", and {show_count(others, 'other', 'others')}" if others else ""
    mild = None if age_s > threshold("starting_fail_s") else Severity.MEDIUM
    return fails(
        queue.resource,
        f"job {quote(job.name or job.id, 60)} starts for {show_duration(age_s)}{more}; {state}",
        Evidence(job.where.path("status"), job.status),
        *([Evidence(task.where.path("createdAt"), str(task.started_at))] if task else []),
        severity=mild,
    )
