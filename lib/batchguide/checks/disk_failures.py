"""Disk trouble that has already cost jobs: what their reasons say."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from batchguide.account import Account, Attempt, Job, JobQueue, Where
from batchguide.checks.common import (
    DESCRIBE_JOBS,
    LIST_JOBS,
    LIST_TASKS,
    QUEUES,
    TASKS,
    threshold,
)
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

AREA = "disk"
NEEDS = (QUEUES, LIST_JOBS, DESCRIBE_JOBS, LIST_TASKS, TASKS)
SHOWN = 3  # pieces of evidence of one kind

DISK_FULL = re.compile(
    r"no space left on device|disk quota exceeded|\bENOSPC\b|Errno 28\b|GetImageBlob\d+"
    r"|failed to register layer|Thin Pool has \d+ free|cannot create temporary file",
    re.IGNORECASE,
)
DOCKER_SLOW = re.compile(
    r"DockerTimeoutError|Could not transition to (created|started|inspecting|stopped)"
    r"|CannotInspectContainerError|CannotStartContainerError|CannotStopContainerError",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Symptom:
    """An attempt whose reason matches, with where the reason stands."""

    job: Job
    text: str
    path: str
    container_instance: str | None
    at: datetime | None


@check(
    id="DISK-001",
    title="Jobs already died of a full disk",
    severity="critical",
    area=AREA,
    needs=NEEDS,
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def jobs_died_of_full_disk(account: Account) -> Iterator[Verdict]:
    """Did attempts of the days in the capture end because a volume was full?

    Why it matters: a full volume fails every container on its instance, not only the one that
    filled it, and the instance stays in service and takes the next job, which fails as well.

    How to fix: enlarge the volume that Docker writes to, slim the images or let jobs delete their
    scratch, and terminate the poisoned instance so that Batch replaces it. Job logs are not read:
    a job that reports the error only there is not seen here.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CannotCreateContainerError.html
    """
    for queue in account.job_queues:
        yield _full_disk(account, queue)


def _full_disk(account: Account, queue: JobQueue) -> Verdict:
    found, attempts, unseen = symptoms(account, queue, DISK_FULL)
    if not found:
        return _none_found(queue, attempts, unseen, "ended with a full disk")
    message = f"{_share(len(found), attempts)} ended with a full disk: {_said(found)}"
    crowded = black_hole(found)
    if crowded:
        name = (crowded[0] or "").rpartition("/")[2]
        message += f"; {crowded[1]} of them within 30 min on container instance {name}"
    return fails(queue.resource, message, *_shown(found))


@check(
    id="DISK-009",
    title="Docker did not answer in time",
    severity="high",
    area=AREA,
    needs=NEEDS,
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def docker_timed_out(account: Account) -> Iterator[Verdict]:
    """Did attempts fail because Docker took too long to create, start, stop or inspect?

    Why it matters: the agent gives an inspect 30 s, which no setting changes; work that ended with
    exit code 0 is then reported as FAILED, and a retry does it again. The usual cause is a volume
    whose I/O is used up by too many containers.

    How to fix: give the volume more IOPS and throughput (gp3), put fewer containers on an
    instance, and raise ECS_CONTAINER_CREATE_TIMEOUT and ECS_CONTAINER_START_TIMEOUT.

    Source: https://github.com/aws/amazon-ecs-agent/blob/master/agent/dockerclient/timeout.go
    https://repost.aws/knowledge-center/batch-docker-timeout-error
    """
    for queue in account.job_queues:
        yield _slow_docker(account, queue)


def _slow_docker(account: Account, queue: JobQueue) -> Verdict:
    found, attempts, unseen = symptoms(account, queue, DOCKER_SLOW)
    many = len(found) >= threshold("docker_timeouts")
    often = attempts and len(found) / attempts >= threshold("docker_timeouts_share")
    if found and (many or often):
        message = f"{_share(len(found), attempts)} ran into Docker's silence"
        return fails(queue.resource, f"{message}: {_said(found)}", *_shown(found))
    return _none_found(queue, attempts, unseen, "ran into Docker's silence", len(found))


def _none_found(
    queue: JobQueue, attempts: int, unseen: list[Job], what: str, count: int = 0
) -> Verdict:
    if unseen:
        message = f"{show_count(len(unseen), 'failed job')} without the reason of its attempts"
        evidence = Evidence(unseen[0].where.path("status"), unseen[0].status)
        return unknown(queue.resource, message, evidence, missing=[DESCRIBE_JOBS])
    if not attempts:
        return not_applicable(queue.resource, "no attempt ended in the days of the capture")
    return passes(queue.resource, f"{_share(count, attempts)} {what}")


def _said(found: Sequence[Symptom]) -> str:
    """The first reason in a sentence's length: hashes cut, as Docker itself shows them."""
    return quote(re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,}", r"\1…", found[0].text))


def _share(count: int, attempts: int) -> str:
    return f"{count:,} of {show_count(attempts, 'attempt')}"


def _shown(found: list[Symptom]) -> tuple[Evidence, ...]:
    return tuple(Evidence(each.path, each.text) for each in found[:SHOWN])


def symptoms(
    account: Account, queue: JobQueue, pattern: re.Pattern[str]
) -> tuple[list[Symptom], int, list[Job]]:
    """Attempts whose reason matches, the number of attempts seen, and failed jobs without them."""
    found: list[Symptom] = []
    attempts = 0
    unseen = []
    harmless: set[str | None] = {None}
    for job in account.jobs_of(queue):
        attempts += len(job.attempts)
        symptom = None
        for at, attempt in enumerate(job.attempts):
            texts = _of_attempt(account, job, at, attempt)
            symptom = _matching(texts, pattern, harmless)
            if symptom is not None:
                arn, ended = attempt.container_instance_arn, attempt.stopped_at
                found.append(Symptom(job, *symptom, arn, ended))
        if not job.attempts:
            symptom = _matching(_of_job(job), pattern, harmless)
            if symptom is not None:
                found.append(Symptom(job, *symptom, None, job.stopped_at))
        if symptom is None and job.status == "FAILED" and not job.described:
            unseen.append(job)
    return found, attempts, unseen


Texts = tuple[tuple[str | None, Where, str], ...]  # a text, its row, the field in it


def _of_job(job: Job) -> Texts:
    return (
        (job.reason, job.where, "container.reason"),
        (job.status_reason, job.where, "statusReason"),
    )


def _of_attempt(account: Account, job: Job, at: int, attempt: Attempt) -> Texts:
    own = (
        (attempt.reason, job.where, f"attempts[{at}].container.reason"),
        (attempt.status_reason, job.where, f"attempts[{at}].statusReason"),
    )
    task = account.task_by_arn.get(attempt.task_arn or "")
    if task is None:
        return own
    # ECS keeps up to 1024 characters of what Batch cuts at 255
    return (*own, *((reason, task.where, "") for reason in task.reasons))


def _matching(
    texts: Texts, pattern: re.Pattern[str], harmless: set[str | None]
) -> tuple[str, str] | None:
    """The first text that matches, with its path; most jobs end with one of a few texts."""
    for text, where, field in texts:
        if text in harmless or text is None:
            continue
        if pattern.search(text):
            return text, where.path(field)
        harmless.add(text)
    return None


def black_hole(found: list[Symptom]) -> tuple[str, int] | None:
    """The container instance with the most failures within 30 min, when they are three or more."""
    window = timedelta(seconds=threshold("black_hole_window_s"))
    ends: dict[str, list[datetime]] = defaultdict(list)
    for each in found:
        if each.container_instance and each.at:
            ends[each.container_instance].append(each.at)
    most = Counter({name: _most_within(sorted(times), window) for name, times in ends.items()})
    worst = most.most_common(1)
    return worst[0] if worst and worst[0][1] >= threshold("black_hole_failures") else None


def _most_within(times: list[datetime], window: timedelta) -> int:
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] > window:
            first += 1
        most = max(most, last - first + 1)
    return most
