"""What the jobs of a definition went through: the same failure again, memory, signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batchguide.account import Account, Attempt, Job
from batchguide.checks.common import computed, threshold
from batchguide.checks.endings import (
    HOST_LOST,
    OUT_OF_MEMORY,
    SIGKILLED,
    TIMED_OUT,
    ending_of,
    is_permanent,
)
from batchguide.checks.job_definitions import AREA, FAMILIES, RUNBOOK, SHOWN
from batchguide.checks.job_families import Family, families_in_use, unseen
from batchguide.findings import (
    Evidence,
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
)
from batchguide.units import show_count

HOUR_S = 3600
KILLED_BY_BATCH = (HOST_LOST, TIMED_OUT)


@check(
    id="JD-004",
    title="Retries are spent on failures that do not go away",
    severity="high",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def same_failure_again(account: Account) -> Iterator[Verdict]:
    """Do jobs use up their attempts on the same permanent failure each time?

    Why it matters: a missing image, a bug or too little memory fails every attempt alike. Each
    repetition holds an instance that another job could use, and the cause is seen later.

    How to fix: mend the cause, and let evaluateOnExit EXIT on it: retry only what the instance or
    the registry did.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
    """
    for family in families_in_use(account):
        yield _repeated(family)


def _repeated(family: Family) -> Verdict:
    same = [(job, ending) for job in family.jobs if (ending := _only_ending(job))]
    tried = _tried_again(family)
    evidence = computed("jobs with several attempts; succeeded ones scaled up", round(tried))
    many = len(same) >= threshold("same_failure_jobs")
    if many and len(same) / tried > threshold("same_failure_share"):
        (worst, count), *_ = Counter(ending for _, ending in same).most_common(1)
        wasted = sum(_vcpu_hours(job, attempt) for job, _ in same for attempt in job.attempts[1:])
        message = (
            f"{len(same):,} of {show_count(round(tried), 'job')} tried more than once failed the"
            f" same way each time, most by {worst} ({count:,}): {wasted:.1f} vCPU-hours for nothing"
        )
        return fails(family.resource, message, evidence, *_attempts_of(same))
    return unseen(family) or passes(
        family.resource, f"{show_count(len(same), 'job')} failed the same way each time", evidence
    )


def _only_ending(job: Job) -> str | None:
    """The permanent failure that ended every attempt of a failed job, of which there were two."""
    if job.status != "FAILED" or len(job.attempts) < 2:
        return None
    endings = {ending_of(job, attempt) for attempt in job.attempts}
    only = endings.pop() if len(endings) == 1 else None
    return only if only and is_permanent(only) else None


def _tried_again(family: Family) -> float:
    """Jobs with several attempts; of the succeeded ones AWS was asked about a sample only."""
    failed = sum(len(job.attempts) > 1 for job in family.jobs if job.status == "FAILED")
    succeeded = [job for job in family.jobs if job.status == "SUCCEEDED"]
    described = [job for job in succeeded if job.described]
    rescued = sum(len(job.attempts) > 1 for job in described)
    return failed + (rescued * len(succeeded) / len(described) if described else 0)


def _vcpu_hours(job: Job, attempt: Attempt) -> float:
    if not (attempt.started_at and attempt.stopped_at):
        return 0.0
    ran_s = (attempt.stopped_at - attempt.started_at).total_seconds()
    return max(ran_s, 0.0) / HOUR_S * (job.vcpus or 0.0)


def _attempts_of(found: list[tuple[Job, str]]) -> tuple[Evidence, ...]:
    return tuple(_shown(job, 0, job.attempts[0]) for job, _ in found[:SHOWN])


def _shown(job: Job, at: int, attempt: Attempt) -> Evidence:
    """Where an attempt says how it ended."""
    place = f"attempts[{at}]"
    if attempt.reason:
        return Evidence(job.where.path(f"{place}.container.reason"), attempt.reason)
    if attempt.exit_code is not None:
        return Evidence(job.where.path(f"{place}.container.exitCode"), attempt.exit_code)
    return Evidence(job.where.path(f"{place}.statusReason"), attempt.status_reason)


@check(
    id="JD-007",
    title="Jobs are killed for their memory",
    severity="high",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def killed_for_memory(account: Account) -> Iterator[Verdict]:
    """Were attempts killed because they used more memory than their definition asks for?

    Why it matters: memory is a hard limit: the kernel kills the container, and whatever it worked
    out is lost. Under Amazon Linux 2023 (cgroup v2) the page cache of its files counts as well.

    How to fix: raise MEMORY where the job needs it, or let it read and write in streams; retry
    with more memory rather than with the same.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/al2-to-al2023-ami-transition.html
    """
    for family in families_in_use(account):
        yield _memory(family)


def _memory(family: Family) -> Verdict:
    attempts = list(family.attempts())
    killed = [it for it in attempts if ending_of(it[0], it[2]) == OUT_OF_MEMORY]
    of = f"{len(killed):,} of {show_count(len(attempts), 'attempt')}"
    often = attempts and len(killed) / len(attempts) >= threshold("oom_share")
    if killed and (often or len(killed) >= threshold("oom_attempts")):
        said = any("OutOfMemory" in (attempt.reason or "") for _, _, attempt in killed)
        asked = next((f" of {job.memory_mib:,} MiB" for job, _, _ in killed if job.memory_mib), "")
        message = f"{of} ran out of their memory{asked}"
        if not said:
            message = f"{of} were killed (exit code {SIGKILLED}), probably for their memory{asked}"
        severity = None if said else Severity.MEDIUM
        shown = (_shown(*it) for it in killed[:SHOWN])
        return fails(family.resource, message, *shown, severity=severity)
    return _none_seen(family, attempts, f"{of} ran out of memory")


def _none_seen(family: Family, attempts: list[tuple[Job, int, Attempt]], message: str) -> Verdict:
    lost = unseen(family)
    if lost is not None:
        return lost
    if not attempts:
        return not_applicable(family.resource, "no attempt ended in the days of the capture")
    return passes(family.resource, message)


@check(
    id="JD-012",
    title="Jobs do not stop when they are told to",
    severity="medium",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def sigterm_ignored(account: Account) -> Iterator[Verdict]:
    """Do jobs that reach their timeout or lose their instance end by SIGKILL, not by SIGTERM?

    Why it matters: a container gets SIGTERM, and SIGKILL 30 seconds later. A job that does not
    hear the first saves nothing, and leaves its scratch on the instance's volume.

    How to fix: trap SIGTERM and save or delete what must be; start the program with exec, so that
    no shell stands between, or set linuxParameters.initProcessEnabled.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    """
    for family in families_in_use(account):
        yield _stopped(family)


def _stopped(family: Family) -> Verdict:
    attempts = list(family.attempts())
    told = [
        it
        for it in attempts
        if it[2].exit_code is not None and ending_of(it[0], it[2]) in KILLED_BY_BATCH
    ]
    killed = [it for it in told if it[2].exit_code == SIGKILLED]
    message = f"{len(killed):,} of {show_count(len(told), 'attempt')} that were told to stop"
    if len(killed) >= threshold("sigkills") and 2 * len(killed) > len(told):
        shown = (
            Evidence(job.where.path(f"attempts[{at}].container.exitCode"), attempt.exit_code)
            for job, at, attempt in killed[:SHOWN]
        )
        return fails(family.resource, f"{message} ended by SIGKILL", *shown)
    if not told:
        return _none_seen(family, attempts, "no attempt was told to stop and says how it ended")
    return _none_seen(family, attempts, f"{message} ended by SIGKILL")
