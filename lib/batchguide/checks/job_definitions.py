"""What job definitions ask for: attempts, when to give up, timeouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from batchguide.account import Account, Job
from batchguide.account.model_retries import RetryStrategy
from batchguide.checks.common import (
    DEFINITIONS,
    DESCRIBE_JOBS,
    ENVIRONMENTS,
    LIST_JOBS,
    QUEUES,
    computed,
    threshold,
)
from batchguide.checks.endings import INFRASTRUCTURE, ending_of
from batchguide.checks.job_families import Family, families_in_use, no_revision, unseen
from batchguide.findings import (
    Evidence,
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    quote,
)
from batchguide.units import show_count, show_duration

AREA = "job-definitions"
RUNBOOK = "20-check-account-health"
FAMILIES = (DEFINITIONS, QUEUES, LIST_JOBS, DESCRIBE_JOBS)
SHOWN = 3  # pieces of evidence, or names, of one kind
TAKEN_BACK = "Host EC2 (instance i-0) terminated."  # what Batch says of a lost instance
ORDINARY = "Essential container in task exited"  # and of a container that ended by itself


@check(
    id="JD-001",
    title="Jobs are not tried again",
    severity="high",
    area=AREA,
    needs=[*FAMILIES, ENVIRONMENTS],
    runbook=RUNBOOK,
)
def no_retries(account: Account) -> Iterator[Verdict]:
    """Do jobs get one attempt only, so that the loss of their instance is a failed job?

    Why it matters: instances go: Spot takes them back, Batch scales in, hardware fails. Without a
    second attempt somebody has to notice and submit the job again.

    How to fix: set retryStrategy.attempts to 2 or 3 in the job definition (or at submission), with
    evaluateOnExit so that only what the instance did is tried again. Jobs must bear being run
    twice.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    https://docs.aws.amazon.com/batch/latest/userguide/best-practices.html
    """
    for family in families_in_use(account):
        yield _retried(account, family)


def _retried(account: Account, family: Family) -> Verdict:
    if family.retries is None:
        return no_revision(family)
    strategy, path = family.retries
    evidence = Evidence(f"{path}.attempts" if _asked(family) else path, strategy.attempts)
    if strategy.attempts > 1:
        return passes(family.resource, f"up to {strategy.attempts} attempts a job", evidence)
    evidence = computed("attempts, 1 where retryStrategy names none", strategy.attempts)
    spot = _on_spot(account, family)
    if spot:
        message = f"one attempt only, on Spot capacity ({quote(spot, 60)}), which AWS takes back"
        return fails(family.resource, message, evidence, by_absence=True)
    message = "one attempt only: a lost instance is a failed job"
    return fails(family.resource, message, evidence, severity=Severity.MEDIUM, by_absence=True)


def _asked(family: Family) -> bool:
    return family.retries is not None and family.retries[0].attempts > 1


def _on_spot(account: Account, family: Family) -> str | None:
    """The first environment of Spot capacity that a queue of its jobs sends them to."""
    queues = {job.queue for job in family.jobs if job.queue}
    named = (account.queue_by_name.get(name) for name in sorted(queues))
    for queue in named:
        for name in queue.environments if queue else ():
            env = account.environment_by_name.get(name)
            if env is not None and env.resource_type in ("SPOT", "FARGATE_SPOT"):
                return env.name
    return None


@check(
    id="JD-002",
    title="Failures that no rule names are tried again",
    severity="medium",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def no_catch_all(account: Account) -> Iterator[Verdict]:
    """Do the rules of evaluateOnExit leave out failures, which Batch then tries again?

    Why it matters: an ending that matches no rule is retried. Rules that name only what is worth
    another attempt change nothing: a bug still runs as often as attempts allow.

    How to fix: end evaluateOnExit with {"onReason": "*", "action": "EXIT"}, after a RETRY rule for
    each kind of failure that another attempt can mend.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """
    for family in families_in_use(account):
        yield _caught(family)


def _caught(family: Family) -> Verdict:
    if family.retries is None:
        return no_revision(family)
    strategy, path = family.retries
    idle = _without_effect(family, strategy)
    if idle is not None:
        return idle
    code = strategy.unnamed_exit_code()
    evidence = Evidence(f"{path}.evaluateOnExit", _shown(strategy))
    if code is None or strategy.rule_for(ORDINARY, None, code):
        return passes(family.resource, "every failure meets a rule", evidence)
    message = (
        f"{show_count(len(strategy.rules), 'rule')}, none about exit code {code} and its like:"
        f" such failures run {strategy.attempts} times"
    )
    return fails(family.resource, message, evidence)


def _without_effect(family: Family, strategy: RetryStrategy) -> Verdict | None:
    if strategy.attempts < 2:
        return not_applicable(family.resource, "one attempt: nothing is tried again", firm=True)
    if not strategy.rules:
        message = "no evaluateOnExit: whatever fails is tried again"
        return not_applicable(family.resource, message, firm=True)
    return None


def _shown(strategy: RetryStrategy) -> list[dict[str, str]]:
    names = ("on_status_reason", "on_reason", "on_exit_code", "action")
    return [
        {name: str(getattr(rule, name)) for name in names if getattr(rule, name)}
        for rule in strategy.rules
    ]


@check(
    id="JD-003",
    title="Failures of the infrastructure are not tried again",
    severity="medium",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def infrastructure_given_up(account: Account) -> Iterator[Verdict]:
    """Do the rules of evaluateOnExit give up on a lost instance, a slow Docker or a failed pull?

    Why it matters: these are what retries are for. A catch-all EXIT without a RETRY before it
    spends none of the attempts that were paid for with the work of making jobs repeatable.

    How to fix: before the last rule put {"onStatusReason": "Host EC2*", "action": "RETRY"}, and
    one with onReason for each kind in your history: CannotPullContainerError*,
    DockerTimeoutError*, CannotInspectContainerError*. There may be five rules.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    https://docs.aws.amazon.com/batch/latest/userguide/best-practices.html
    """
    for family in families_in_use(account):
        yield _infrastructure(family)


def _infrastructure(family: Family) -> Verdict:
    if family.retries is None:
        return no_revision(family)
    strategy, path = family.retries
    idle = _without_effect(family, strategy)
    if idle is not None:
        return idle
    evidence = Evidence(f"{path}.evaluateOnExit", _shown(strategy))
    given_up = _given_up(family, strategy)
    if strategy.gives_up(TAKEN_BACK, None, None):
        message = "a job whose instance is lost is given up, though attempts are left"
        return fails(family.resource, message, evidence, *_first(given_up))
    if given_up:
        kinds = Counter(ending for ending, _ in given_up)
        said = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common(SHOWN))
        message = f"rules give up on failures of the infrastructure that happened: {said}"
        return fails(family.resource, message, evidence, *_first(given_up))
    lost = unseen(family)
    return lost or passes(family.resource, "failures of the infrastructure are retried", evidence)


def _given_up(family: Family, strategy: RetryStrategy) -> list[tuple[str, Evidence]]:
    """Last attempts that the infrastructure ended and that the rules in force give up on."""
    found = []
    for job, at, attempt in family.attempts():
        ending = ending_of(job, attempt)
        if job.status != "FAILED" or at + 1 < len(job.attempts) or ending not in INFRASTRUCTURE:
            continue
        said = attempt.status_reason or job.status_reason
        if strategy.gives_up(said, attempt.reason, attempt.exit_code):
            field = "container.reason" if attempt.reason else "statusReason"
            path = job.where.path(f"attempts[{at}].{field}")
            found.append((ending, Evidence(path, attempt.reason or attempt.status_reason)))
    return found


def _first(found: list[tuple[str, Evidence]]) -> tuple[Evidence, ...]:
    return tuple(evidence for _, evidence in found[:SHOWN])


@check(
    id="JD-005",
    title="Attempts have no timeout",
    severity="medium",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def no_timeout(account: Account) -> Iterator[Verdict]:
    """Can an attempt run for ever, because no timeout ends it?

    Why it matters: Batch has no timeout of its own. A job that hangs holds its vCPUs, keeps its
    instance from being scaled in, and is paid for until somebody looks.

    How to fix: set timeout.attemptDurationSeconds (60 at least) in the job definition or at
    submission, well above the longest healthy run; three times the 99th percentile is a start.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    """
    for family in families_in_use(account):
        yield _timed(account, family)


def _timed(account: Account, family: Family) -> Verdict:
    if family.timeout is None:
        return no_revision(family)
    limit_s, path = family.timeout
    if limit_s is not None:
        message = f"an attempt ends after {show_duration(limit_s)}"
        return passes(family.resource, message, Evidence(path, limit_s))
    usual_s = _usual_s(family)
    hung = _hung(account.taken_at, family, usual_s)
    if hung is None or usual_s is None:
        message = "no timeout: a job that hangs holds its instance until somebody looks"
        return fails(family.resource, message, Evidence(path, None), by_absence=True)
    job, ran_s = hung
    message = (
        f"no timeout, and job {quote(job.name or job.id, 60)} has run for {show_duration(ran_s)};"
        f" 95 % end within {show_duration(usual_s)}"
    )
    evidence = Evidence(job.where.path("startedAt"), str(job.started_at))
    return fails(
        family.resource,
        message,
        Evidence(path, None),
        evidence,
        severity=Severity.HIGH,
        by_absence=True,
    )


def _usual_s(family: Family) -> float | None:
    """What 95 of 100 successful attempts take; None when too few are known."""
    ran = family.run_times_s()
    if len(ran) < threshold("runs_for_percentile"):
        return None
    return ran[min(len(ran) - 1, int(0.95 * len(ran)))]


def _hung(now: datetime | None, family: Family, usual_s: float | None) -> tuple[Job, float] | None:
    """The running job that is the farthest beyond what is usual."""
    if now is None or usual_s is None:
        return None
    running = [
        (job, (now - job.started_at).total_seconds())
        for job in family.jobs
        if job.status == "RUNNING" and job.started_at and job.single
    ]
    worst = max(running, key=lambda each: each[1], default=None)
    return worst if worst and worst[1] > threshold("stuck_running_ratio") * usual_s else None
