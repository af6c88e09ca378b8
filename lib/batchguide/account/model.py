"""The things of an account as frozen values in our units; `None` is what is not said."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from batchguide.account.answers import Where
from batchguide.account.model_retries import RetryStrategy


@dataclass(frozen=True, slots=True)
class TemplateReference:
    """A launch template as something refers to it; `version` may be `$Latest` or `$Default`."""

    id: str | None
    name: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Ec2Configuration:
    """Which AMI family Batch takes, and an AMI that overrides it."""

    image_type: str | None
    image_id_override: str | None


@dataclass(frozen=True, slots=True)
class ComputeEnvironment:
    """`resource_type` is EC2, SPOT, FARGATE, FARGATE_SPOT, …; None for an unmanaged one."""

    where: Where
    name: str
    arn: str
    type: str | None
    state: str | None
    status: str | None
    status_reason: str | None
    orchestration: str | None
    resource_type: str | None
    allocation_strategy: str | None
    min_vcpus: int | None
    desired_vcpus: int | None
    max_vcpus: int | None
    instance_types: tuple[str, ...]
    image_id: str | None
    ec2_configurations: tuple[Ec2Configuration, ...]
    launch_template: TemplateReference | None
    template_overrides: int
    ecs_cluster_arn: str | None
    service_role: str | None
    subnets: tuple[str, ...]
    placement_group: str | None
    terminates_jobs_on_update: bool
    update_timeout_min: int

    @property
    def managed(self) -> bool:
        """Whether Batch launches the instances."""
        return self.type != "UNMANAGED"

    @property
    def resource(self) -> str:
        """How findings name it."""
        return f"compute-environment/{self.name}"


@dataclass(frozen=True, slots=True)
class JobQueue:
    """`environments` are ARNs (or names, where AWS was asked with names) in the order of trial.

    `limited_reasons` are those after which a blocked head is cancelled; None: it can't be read.
    """

    where: Where
    name: str
    arn: str
    state: str | None
    status: str | None
    status_reason: str | None
    environments: tuple[str, ...]
    limited_reasons: tuple[str, ...] | None

    @property
    def resource(self) -> str:
        """How findings name it."""
        return f"job-queue/{self.name}"


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """What one container instance must have free for one job: all its containers together.

    `old_fields` are `vcpus` and `memory`, by path, where no resource requirement replaced them.
    """

    where: Where
    name: str
    revision: int | None
    arn: str
    type: str | None
    platforms: tuple[str, ...]
    images: tuple[str, ...]
    vcpus: float | None
    memory_mib: int | None
    gpus: int
    attempts: int
    retries: RetryStrategy
    timeout_s: int | None
    old_fields: tuple[tuple[str, float], ...]

    @property
    def label(self) -> str:
        """`resize:3`"""
        return self.name if self.revision is None else f"{self.name}:{self.revision}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job; `started_at` None means that its container never started."""

    started_at: datetime | None
    stopped_at: datetime | None
    container_instance_arn: str | None
    task_arn: str | None
    exit_code: int | None
    reason: str | None
    status_reason: str | None
    log_stream: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as described, or, with `described` false, as listed only.

    `retries` and `timeout_s` are None where the job's record leaves them to its definition.
    """

    where: Where
    id: str
    name: str | None
    queue: str | None
    definition: str | None
    status: str | None
    status_reason: str | None
    reason: str | None
    exit_code: int | None
    image: str | None
    vcpus: float | None
    memory_mib: int | None
    gpus: int | None
    task_arn: str | None
    created_at: datetime | None
    started_at: datetime | None
    stopped_at: datetime | None
    array_size: int | None
    attempts: tuple[Attempt, ...]
    described: bool
    retries: RetryStrategy | None
    timeout_s: int | None

    @property
    def single(self) -> bool:
        """Whether one request of its own made it: no array, and no part of an array or of nodes."""
        return self.array_size is None and not {":", "#"} & set(self.id)


@dataclass(frozen=True, slots=True)
class ContainerInstance:
    """An instance as the ECS agent on it registered it."""

    where: Where
    arn: str
    cluster_arn: str | None
    instance_id: str | None
    status: str | None
    agent_version: str | None
    agent_connected: bool | None
    running_tasks: int | None
    registered_vcpus: float | None
    registered_memory_mib: int | None
    registered_gpus: int
    registered_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttachedVolume:
    """A device of a running instance."""

    device: str
    volume_id: str | None


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance; `user_data` is that of the running one, Batch's part included."""

    where: Where
    id: str
    type: str | None
    image_id: str | None
    state: str | None
    launched_at: datetime | None
    root_device: str | None
    devices: tuple[AttachedVolume, ...]
    tags: MappingProxyType[str, str]
    user_data: str | None = field(repr=False)
    user_data_where: str | None

    @property
    def running(self) -> bool:
        """Whether it can hold jobs; an instance without a state counts."""
        return self.state in (None, "pending", "running")


@dataclass(frozen=True, slots=True)
class Volume:
    """An EBS volume as it is."""

    where: Where
    id: str
    size_gib: float | None
    type: str | None
    iops: int | None
    throughput_mibps: float | None


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device mapping of an AMI or a launch template that asks for an EBS volume."""

    path: str
    device: str
    size_gib: float | None
    type: str | None
    iops: int | None
    throughput_mibps: float | None


@dataclass(frozen=True, slots=True)
class MachineImage:
    """An AMI."""

    where: Where
    id: str
    name: str | None
    owner_id: str | None
    root_device: str | None
    block_devices: tuple[BlockDevice, ...]
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class LaunchTemplate:
    """What `$Default` and `$Latest` of a launch template mean at the time of the capture."""

    where: Where
    id: str
    name: str | None
    default_version: int | None
    latest_version: int | None


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One version of a launch template, the user's or the copy that Batch made (`Batch-lt-…`)."""

    where: Where
    template_id: str
    template_name: str | None
    number: int
    created_at: datetime | None
    image_id: str | None
    block_devices: tuple[BlockDevice, ...]
    user_data: str | None = field(repr=False)

    @property
    def label(self) -> str:
        """`jobs-template version 2`"""
        return f"{self.template_name or self.template_id} version {self.number}"


@dataclass(frozen=True, slots=True)
class AutoScalingGroup:
    """The group that Batch scales, the template it launches from, and who is in it."""

    where: Where
    name: str
    launch_template: TemplateReference | None
    instance_ids: tuple[str, ...]
    zones: tuple[str, ...]
    suspended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """An ECS task: ECS keeps stopped ones for an hour or so, with longer reasons than Batch's."""

    where: Where
    arn: str
    container_instance_arn: str | None
    started_at: datetime | None
    pull_started_at: datetime | None
    pull_stopped_at: datetime | None
    reasons: tuple[str, ...]
    image_digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueFront:
    """The first RUNNABLE jobs of a queue, the head first, and since when it is the head."""

    where: str
    queue: str
    job_ids: tuple[str, ...]
    head_since: datetime | None
