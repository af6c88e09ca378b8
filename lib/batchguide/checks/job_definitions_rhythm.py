"""How jobs come and how long they last: too short for what starting costs, too many requests."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from batchguide import facts
from batchguide.account import Account, Job
from batchguide.checks.common import DESCRIBE_JOBS, LIST_JOBS, QUEUES, computed, threshold
from batchguide.checks.job_definitions import AREA, FAMILIES, RUNBOOK
from batchguide.checks.job_families import Family, families_in_use, family_name
from batchguide.findings import Verdict, check, fails, not_applicable, passes, quote, unknown
from batchguide.units import show_count, show_duration

ACCOUNT = "account"


@check(
    id="JD-009",
    title="Jobs are too short for what starting them costs",
    severity="medium",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def very_short_jobs(account: Account) -> Iterator[Verdict]:
    """Do many jobs a day run for less than a minute each?

    Why it matters: Batch schedules, the agent pulls, Docker creates and deletes: for a job of
    seconds that takes longer than the job, and the stopped containers pile up on the volume.

    How to fix: group tasks so that a job runs three to five minutes: let it loop over a list in S3
    or DynamoDB, and use an array job for the groups.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/bestpractice1.html
    """
    for family in families_in_use(account):
        yield _short(family)


def _short(family: Family) -> Verdict:
    ran = family.run_times_s()
    if not ran:
        succeeded = [job for job in family.jobs if job.status == "SUCCEEDED" and job.single]
        if any(not job.described for job in succeeded):
            message = f"how long {show_count(len(succeeded), 'job')} ran is not in the capture"
            return unknown(family.resource, message, missing=[DESCRIBE_JOBS])
        return not_applicable(family.resource, "no attempt of it succeeded")
    median_s = statistics.median(ran)
    day, jobs = _busiest_day(family.jobs)
    message = f"half of its runs take {show_duration(median_s)} or less"
    evidence = (
        computed("median of stoppedAt - startedAt of successful attempts (s)", median_s),
        computed(f"jobs made on {day}, children of arrays included", jobs),
    )
    if median_s < threshold("short_job_s") and jobs > threshold("short_jobs_a_day"):
        message += f", and there were {jobs:,} on {day}"
        return fails(family.resource, message, *evidence)
    return passes(family.resource, message, *evidence)


def _busiest_day(jobs: Iterable[Job]) -> tuple[date | None, int]:
    days: Counter[date] = Counter()
    for job in jobs:
        if job.created_at and ":" not in job.id:  # its parent counts for a child
            days[job.created_at.date()] += job.array_size or 1
    return days.most_common(1)[0] if days else (None, 0)


@check(
    id="JD-010",
    title="Jobs are submitted one by one, close to the limit",
    severity="medium",
    area=AREA,
    needs=[QUEUES, LIST_JOBS],
    runbook=RUNBOOK,
)
def submitted_one_by_one(account: Account) -> Iterator[Verdict]:
    """Do bursts of single submissions come close to what Batch takes in a second?

    Why it matters: SubmitJob is limited to 50 a second for the whole account and Region. Beyond
    it AWS answers TooManyRequestsException, to this client and to every other one.

    How to fix: submit one array job (up to 10,000 children, told apart by
    AWS_BATCH_JOB_ARRAY_INDEX) in place of many equal jobs; otherwise slow the client down.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
    https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
    """
    single = sorted(
        ((job.created_at, job) for job in account.jobs if job.single and job.created_at),
        key=lambda each: each[0],
    )
    if not single:
        return
    window_s = threshold("submit_window_s")
    limit = float(facts.quotas()["batch", "submit_job_per_s"].value or 0)
    burst = _largest_burst(single, timedelta(seconds=window_s))
    rate = len(burst) / window_s
    message = f"up to {rate:.1f} submissions a second over {show_duration(window_s)}"
    evidence = computed(f"most jobs made within {window_s:g} s", len(burst))
    if rate <= threshold("submit_share") * limit:
        yield passes(ACCOUNT, f"{message}; Batch takes {limit:g}", evidence)
        return
    names = Counter(family_name(account, job) or "unknown" for job in burst)
    (name, count), *_ = names.most_common(1)
    message += f" of the {limit:g} that Batch takes; {count:,} of definition {quote(name, 60)}"
    yield fails(ACCOUNT, f"{message}, from {burst[0].created_at:%Y-%m-%d %H:%M:%S} UTC", evidence)


def _largest_burst(made: list[tuple[datetime, Job]], window: timedelta) -> list[Job]:
    """The most jobs that were made within a window, its end left out."""
    first, most = 0, range(0)
    for last, (at, _) in enumerate(made):
        while at - made[first][0] >= window:
            first += 1
        if last + 1 - first > len(most):
            most = range(first, last + 1)
    return [made[place][1] for place in most]
