"""What checks of scheduling ask of a queue: where its jobs may go, and which wait since when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from batchguide.account import Account, ComputeEnvironment, Job, JobQueue
from batchguide.account.model import QueueFront
from batchguide.findings import Evidence, Verdict, unknown

ACTIVITIES = "autoscaling:DescribeScalingActivities"
GROUPS = "autoscaling:DescribeAutoScalingGroups"
SNAPSHOT = "batch:GetJobQueueSnapshot"
WAITING = ("SUBMITTED", "PENDING", "RUNNABLE")
BUSY = ("STARTING", "RUNNING")


def environments_of(account: Account, queue: JobQueue) -> tuple[ComputeEnvironment, ...]:
    """The environments of a queue in the order of trial; those not described stay out."""
    found = (account.environment_by_name.get(name) for name in queue.environments)
    return tuple(env for env in found if env is not None)


def unseen_environments(account: Account, queue: JobQueue) -> tuple[str, ...]:
    """What a queue names and the capture does not describe, as `missing` of a verdict."""
    unseen = (name for name in queue.environments if name not in account.environment_by_name)
    return tuple(f"compute environment {name}" for name in unseen)


def front_of(account: Account, queue: JobQueue) -> QueueFront | None:
    """The queue's first RUNNABLE jobs; None when they were not answered."""
    fronts = (each for each in account.queue_fronts if each.queue in (queue.arn, queue.name))
    return next(fronts, None)


def jobs_in(account: Account, queue: JobQueue, *statuses: str) -> tuple[Job, ...]:
    """The jobs of a queue in some states."""
    return tuple(job for job in account.jobs_of(queue) if job.status in statuses)


def works(account: Account, env: ComputeEnvironment) -> bool:
    """Whether a job of an environment's queues starts or runs."""
    queues = account.queues_of(env)
    return any(jobs_in(account, queue, *BUSY) for queue in queues)


def seconds_since(account: Account, moment: datetime | None) -> float | None:
    """How long before the capture a moment was, in seconds; None when either is not known."""
    if moment is None or account.taken_at is None:
        return None
    return (account.taken_at - moment).total_seconds()


def no_clock(resource: str, what: str) -> Verdict:
    """Ages can't be told without the time of the capture."""
    return unknown(resource, f"{what} can't be told", missing=["time of the capture (taken_at)"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one job asks of an instance; of a multi-node job, what a node asks."""

    job: Job
    label: str
    vcpus: float
    memory_mib: int
    gpus: int

    @property
    def evidence(self) -> Evidence:
        """The figures where the capture has the job."""
        return Evidence(
            self.job.where.path("container" if self.job.described else "jobDefinition"),
            f"{self.label}: {self.vcpus:g} vCPU, {self.memory_mib} MiB, {self.gpus} GPU",
        )


def wanted_by(account: Account, job: Job) -> Wanted | None:
    """A job's own figures where it was described, else its definition's; None: neither says."""
    definition = account.definition_by_name.get(job.definition or "")
    vcpus = job.vcpus or (definition.vcpus if definition else None)
    memory_mib = job.memory_mib or (definition.memory_mib if definition else None)
    if not vcpus or not memory_mib:
        return None
    of_definition = definition.gpus if definition else 0
    gpus = job.gpus if job.gpus is not None else of_definition
    label = definition.label if definition else (job.definition or job.id).rpartition("/")[2]
    return Wanted(job, label, vcpus, memory_mib, gpus)


def kinds_wanted(account: Account, jobs: tuple[Job, ...]) -> Iterator[Wanted | str]:
    """What jobs ask for, each kind once; a text names what is missing of a job."""
    seen: set[object] = set()
    for job in jobs:
        wanted = wanted_by(account, job)
        if wanted is None:
            key: object = job.definition
            found: Wanted | str = f"vCPUs and memory of job definition {job.definition}"
        else:
            key = (wanted.label, wanted.vcpus, wanted.memory_mib, wanted.gpus)
            found = wanted
        if key not in seen:
            seen.add(key)
            yield found
