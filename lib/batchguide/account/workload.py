"""The jobs that a compute environment gets: their shapes, their images, their rhythm."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass

from batchguide.account.joined import Account
from batchguide.account.memo import once_an_environment
from batchguide.account.model import ComputeEnvironment, Job

DEFINITIONS = "batch:DescribeJobDefinitions"
QUEUES = "batch:DescribeJobQueues"
LIST_JOBS = "batch:ListJobs"


@dataclass(frozen=True, slots=True)
class JobShape:
    """Jobs that ask for the same of an instance, how many there were, and how long they ran.

    `duration_s` is the median and the 95th percentile of finished attempts; None when none ended.
    """

    definition: str
    image: str
    vcpus: float
    memory_mib: int
    gpus: int
    jobs: int
    duration_s: tuple[float, float] | None
    path: str


@dataclass(frozen=True, slots=True)
class Workload:
    """Shapes, the most frequent first; `missing` says what other jobs would have told."""

    shapes: tuple[JobShape, ...]
    missing: tuple[str, ...]

    @property
    def images(self) -> tuple[str, ...]:
        """Image strings, each once."""
        return tuple(dict.fromkeys(shape.image for shape in self.shapes))


@once_an_environment
def workload_of(account: Account, env: ComputeEnvironment) -> Workload:
    """The shapes of the jobs that the environment's queues got in the days of the capture."""
    grouped: dict[tuple[str, str, float, int, int], list[Job]] = defaultdict(list)
    missing: Counter[str] = Counter()
    for queue in account.queues_of(env):
        for job in account.jobs_of(queue):
            key = _shape_key(account, job)
            if key is None:
                missing[DEFINITIONS] += 1
                missing[f"vCPUs, memory and image of job definition {job.definition}"] += 1
            else:
                grouped[key].append(job)
    shapes = [_shape(account, key, jobs) for key, jobs in grouped.items()]
    shapes.sort(key=lambda shape: (-shape.jobs, shape.definition, shape.image))
    return Workload(tuple(shapes), tuple(missing))


def _shape_key(account: Account, job: Job) -> tuple[str, str, float, int, int] | None:
    """A job's own figures where it was described (it may override), else its definition's."""
    definition = account.definition_by_name.get(job.definition or "")
    image = job.image or (definition.images[0] if definition and definition.images else None)
    vcpus = job.vcpus or (definition.vcpus if definition else None)
    memory_mib = job.memory_mib or (definition.memory_mib if definition else None)
    if image is None or vcpus is None or memory_mib is None:
        return None
    label = definition.label if definition else (job.definition or "").rpartition("/")[2]
    return label, image, vcpus, memory_mib, definition.gpus if definition else 0


def _shape(account: Account, key: tuple[str, str, float, int, int], jobs: list[Job]) -> JobShape:
    label, image, vcpus, memory_mib, gpus = key
    definition = account.definition_by_name.get(label)
    return JobShape(
        definition=label,
        image=image,
        vcpus=vcpus,
        memory_mib=memory_mib,
        gpus=gpus,
        jobs=sum(job.array_size or 1 for job in jobs),
        duration_s=_durations(jobs),
        path=definition.where.path() if definition else jobs[0].where.path("container"),
    )


def _durations(jobs: list[Job]) -> tuple[float, float] | None:
    ran = sorted(
        (attempt.stopped_at - attempt.started_at).total_seconds()
        for job in jobs
        for attempt in job.attempts
        if attempt.started_at and attempt.stopped_at and attempt.stopped_at >= attempt.started_at
    )
    if not ran:
        return None
    return statistics.median(ran), ran[min(len(ran) - 1, int(0.95 * len(ran)))]
