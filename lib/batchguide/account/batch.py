"""What AWS Batch answered: compute environments, queues, definitions, jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batchguide.account.answers import Answers, Where
from batchguide.account.fields import (
    Fields,
    flag,
    inner,
    instant,
    integer,
    number,
    rows,
    text,
    texts,
    whole,
)
from batchguide.account.job_settings import (
    note_odd_settings,
    old_fields,
    retry_strategy,
    timeout_s,
)
from batchguide.account.model import (
    Attempt,
    ComputeEnvironment,
    Ec2Configuration,
    Job,
    JobDefinition,
    JobQueue,
    QueueFront,
    TemplateReference,
)

# https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html
DEFAULT_UPDATE_MIN = 30


def compute_environments(answers: Answers) -> Iterator[ComputeEnvironment]:
    """Compute environments of every type and orchestration."""
    listed = answers.rows("batch", "DescribeComputeEnvironments", "computeEnvironments")
    for where, row in listed:
        name, arn = text(row, "computeEnvironmentName"), text(row, "computeEnvironmentArn")
        if name is None or arn is None:
            answers.note_odd(where, "a compute environment without a name")
            continue
        yield _compute_environment(where, name, arn, row)


def _compute_environment(where: Where, name: str, arn: str, row: Fields) -> ComputeEnvironment:
    resources = inner(row, "computeResources")
    template = inner(resources, "launchTemplate")
    update = inner(row, "updatePolicy")
    return ComputeEnvironment(
        where=where,
        name=name,
        arn=arn,
        type=text(row, "type"),
        state=text(row, "state"),
        status=text(row, "status"),
        status_reason=text(row, "statusReason"),
        orchestration=text(row, "containerOrchestrationType"),
        resource_type=text(resources, "type"),
        allocation_strategy=text(resources, "allocationStrategy"),
        min_vcpus=whole(resources, "minvCpus"),
        desired_vcpus=whole(resources, "desiredvCpus"),
        max_vcpus=whole(resources, "maxvCpus"),
        instance_types=texts(resources, "instanceTypes"),
        image_id=text(resources, "imageId"),
        ec2_configurations=tuple(
            Ec2Configuration(text(each, "imageType"), text(each, "imageIdOverride"))
            for each in rows(resources, "ec2Configuration")
        ),
        launch_template=_template(template) if template else None,
        template_overrides=sum(1 for _ in rows(template, "overrides")),
        ecs_cluster_arn=text(row, "ecsClusterArn"),
        service_role=text(row, "serviceRole"),
        subnets=texts(resources, "subnets"),
        placement_group=text(resources, "placementGroup"),
        terminates_jobs_on_update=flag(update, "terminateJobsOnUpdate") or False,
        update_timeout_min=whole(update, "jobExecutionTimeoutMinutes") or DEFAULT_UPDATE_MIN,
    )


def _template(row: Fields) -> TemplateReference:
    return TemplateReference(
        text(row, "launchTemplateId"), text(row, "launchTemplateName"), text(row, "version")
    )


def job_queues(answers: Answers) -> Iterator[JobQueue]:
    """Job queues with their compute environments in the order of trial."""
    for where, row in answers.rows("batch", "DescribeJobQueues", "jobQueues"):
        name, arn = text(row, "jobQueueName"), text(row, "jobQueueArn")
        if name is None or arn is None:
            answers.note_odd(where, "a job queue without a name")
            continue
        order = sorted(
            rows(row, "computeEnvironmentOrder"), key=lambda each: whole(each, "order") or 0
        )
        yield JobQueue(
            where=where,
            name=name,
            arn=arn,
            state=text(row, "state"),
            status=text(row, "status"),
            status_reason=text(row, "statusReason"),
            environments=tuple(
                each for each in (text(row, "computeEnvironment") for row in order) if each
            ),
            limited_reasons=_limited_reasons(row),
        )


def _limited_reasons(row: Fields) -> tuple[str, ...] | None:
    if not isinstance(row.get("jobStateTimeLimitActions", []), list):
        return None
    actions = rows(row, "jobStateTimeLimitActions")
    return tuple(reason for each in actions if (reason := text(each, "reason")))


def job_definitions(answers: Answers) -> Iterator[JobDefinition]:
    """Job definitions, all their containers added up."""
    for where, row in answers.rows("batch", "DescribeJobDefinitions", "jobDefinitions"):
        name, arn = text(row, "jobDefinitionName"), text(row, "jobDefinitionArn")
        if name is None or arn is None:
            answers.note_odd(where, "a job definition without a name")
            continue
        note_odd_settings(answers, where, row)
        containers, retries = tuple(_containers(row)), retry_strategy(row)
        yield JobDefinition(
            where=where,
            name=name,
            revision=whole(row, "revision"),
            arn=arn,
            type=text(row, "type"),
            platforms=texts(row, "platformCapabilities") or ("EC2",),
            images=_images(containers),
            vcpus=vcpus_of(containers),
            memory_mib=memory_mib_of(containers),
            gpus=gpus_of(containers),
            attempts=retries.attempts,
            retries=retries,
            timeout_s=timeout_s(row),
            old_fields=tuple(old_fields(row)),
        )


def _containers(row: Fields) -> Iterator[Fields]:
    """The containers that one job puts on one instance; of a multi-node job, the first range's."""
    if inner(row, "containerProperties"):
        yield inner(row, "containerProperties")
        return
    node = next(rows(inner(row, "nodeProperties"), "nodeRangeProperties"), None)
    if node is not None and inner(node, "container"):
        yield inner(node, "container")
        return
    for task in rows(inner(node if node is not None else row, "ecsProperties"), "taskProperties"):
        yield from rows(task, "containers")


def _images(containers: Iterable[Fields]) -> tuple[str, ...]:
    named = (text(each, "image") for each in containers)
    return tuple(dict.fromkeys(image for image in named if image))


def required(container: Fields, kind: str) -> float | None:
    """A resource requirement (VCPU, MEMORY, GPU) of a container."""
    listed = container.get("resourceRequirements")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("type") == kind:
            return number(each, "value")
    return None


def vcpus_of(containers: Iterable[Fields]) -> float | None:
    """vCPUs of all containers; None when one does not say."""
    asked = [required(each, "VCPU") or number(each, "vcpus") or None for each in containers]
    return None if None in asked or not asked else sum(each for each in asked if each)


def memory_mib_of(containers: Iterable[Fields]) -> int | None:
    """Memory of all containers; None when one does not say."""
    asked = [required(each, "MEMORY") or number(each, "memory") or None for each in containers]
    return None if None in asked or not asked else int(sum(each for each in asked if each))


def gpus_of(containers: Iterable[Fields]) -> int:
    """GPUs of all containers; who asks for none does not say so."""
    return int(sum(required(each, "GPU") or 0 for each in containers))


def jobs(answers: Answers) -> Iterator[Job]:
    """Every job once: as described where it was described, else as listed."""
    described: set[str] = set()
    for where, row in answers.rows("batch", "DescribeJobs", "jobs"):
        id = text(row, "jobId")
        if id is None:
            answers.note_odd(where, "a job without an id")
        elif id not in described:
            described.add(id)
            yield _described(where, id, row)
    for where, row in answers.rows("batch", "ListJobs", "jobSummaryList"):
        id = text(row, "jobId")
        if id is None:
            answers.note_odd(where, "a job without an id")
        elif id not in described:
            described.add(id)
            params = answers.calls("batch", "ListJobs")[where.call].params
            yield _listed(where, id, row, text(params, "jobQueue"))


def _described(where: Where, id: str, row: Fields) -> Job:
    container = inner(row, "container")
    parts = (container,) if container else tuple(_containers(row))
    array = inner(row, "arrayProperties")
    return Job(
        where=where,
        id=id,
        name=text(row, "jobName"),
        queue=text(row, "jobQueue"),
        definition=text(row, "jobDefinition"),
        status=text(row, "status"),
        status_reason=text(row, "statusReason"),
        reason=text(container, "reason"),
        exit_code=integer(container, "exitCode"),
        image=text(container, "image") or next(iter(_images(parts)), None),
        vcpus=vcpus_of(parts),
        memory_mib=memory_mib_of(parts),
        gpus=gpus_of(parts),
        task_arn=text(container, "taskArn"),
        created_at=instant(row, "createdAt"),
        started_at=instant(row, "startedAt"),
        stopped_at=instant(row, "stoppedAt"),
        array_size=whole(array, "size") if array else None,
        attempts=tuple([_attempt(each) for each in rows(row, "attempts")]),
        described=True,
        retries=retry_strategy(row) if inner(row, "retryStrategy") else None,
        timeout_s=timeout_s(row),
    )


def _attempt(row: Fields) -> Attempt:
    task = inner(row, "container")
    if task:
        parts: tuple[Fields, ...] = (task,)
        reason, exit_code = text(task, "reason"), integer(task, "exitCode")
    else:
        task = next(rows(row, "taskProperties"), {})
        parts = tuple(rows(task, "containers"))
        reason, exit_code = _of_containers(parts)
    return Attempt(
        started_at=instant(row, "startedAt"),
        stopped_at=instant(row, "stoppedAt"),
        container_instance_arn=text(task, "containerInstanceArn"),
        task_arn=text(task, "taskArn"),
        exit_code=exit_code,
        reason=reason,
        status_reason=text(row, "statusReason"),
        log_stream=next((name for each in parts if (name := text(each, "logStreamName"))), None),
    )


def _of_containers(parts: tuple[Fields, ...]) -> tuple[str | None, int | None]:
    """The reasons of several containers together, and the first exit code that is not 0."""
    reasons = [reason for each in parts if (reason := text(each, "reason"))]
    codes = [integer(each, "exitCode") for each in parts]
    return "; ".join(reasons) or None, next(
        (code for code in codes if code), codes[0] if codes else None
    )


def _listed(where: Where, id: str, row: Fields, queue: str | None) -> Job:
    container, array = inner(row, "container"), inner(row, "arrayProperties")
    return Job(
        where=where,
        id=id,
        name=text(row, "jobName"),
        queue=queue,
        definition=text(row, "jobDefinition"),
        status=text(row, "status"),
        status_reason=text(row, "statusReason"),
        reason=text(container, "reason"),
        exit_code=integer(container, "exitCode"),
        image=None,
        vcpus=None,
        memory_mib=None,
        gpus=None,
        task_arn=None,
        created_at=instant(row, "createdAt"),
        started_at=instant(row, "startedAt"),
        stopped_at=instant(row, "stoppedAt"),
        array_size=whole(array, "size") if array else None,
        attempts=(),
        described=False,
        retries=None,
        timeout_s=None,
    )


def queue_fronts(answers: Answers) -> Iterator[QueueFront]:
    """The head of each queue, as `GetJobQueueSnapshot` gave it."""
    for call, at, page in answers.answers("batch", "GetJobQueueSnapshot"):
        queue, front = text(call.params, "jobQueue"), page.get("frontOfQueue")
        if queue is None or not isinstance(front, dict):
            detail = "an answer without a frontOfQueue"
            answers.note_garbage("batch:GetJobQueueSnapshot", detail, at)
            continue
        listed = tuple(rows(front, "jobs"))
        arns = (text(each, "jobArn") for each in listed)
        yield QueueFront(
            where=f"batch:GetJobQueueSnapshot[{at}].pages[0].frontOfQueue.jobs",
            queue=queue,
            job_ids=tuple(arn.rpartition("/")[2] for arn in arns if arn),
            head_since=instant(listed[0], "earliestTimeAtPosition") if listed else None,
        )
