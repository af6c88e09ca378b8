"""The account: everything parsed once, and found by the names that AWS uses between services."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from batchguide.account import batch, compute, extras
from batchguide.account.answers import Answers, Gap
from batchguide.account.fields import instant
from batchguide.account.model import (
    Attempt,
    AutoScalingGroup,
    ComputeEnvironment,
    ContainerInstance,
    Instance,
    Job,
    JobDefinition,
    JobQueue,
    LaunchTemplate,
    MachineImage,
    QueueFront,
    Task,
    TemplateVersion,
    Volume,
)
from batchguide.account.model_extras import (
    Cluster,
    ContainerImage,
    Metric,
    Rule,
    ScalingActivity,
)
from batchguide.account.names import cluster_name, cluster_of_container_instance, ecr_reference
from batchguide.capture import Capture


@dataclass(frozen=True)
class Account:
    """All that a capture says of one account in one Region."""

    answers: Answers
    compute_environments: tuple[ComputeEnvironment, ...]
    job_queues: tuple[JobQueue, ...]
    job_definitions: tuple[JobDefinition, ...]
    jobs: tuple[Job, ...]
    queue_fronts: tuple[QueueFront, ...]
    container_instances: tuple[ContainerInstance, ...]
    tasks: tuple[Task, ...]
    instances: tuple[Instance, ...]
    volumes: tuple[Volume, ...]
    machine_images: tuple[MachineImage, ...]
    launch_templates: tuple[LaunchTemplate, ...]
    template_versions: tuple[TemplateVersion, ...]
    auto_scaling_groups: tuple[AutoScalingGroup, ...]
    container_images: tuple[ContainerImage, ...]
    metrics: tuple[Metric, ...]
    rules: tuple[Rule, ...]
    clusters: tuple[Cluster, ...]
    scaling_activities: tuple[ScalingActivity, ...]
    memo: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_capture(cls, capture: Capture) -> Account:
        """Parse everything; odd answers become gaps."""
        answers = Answers(capture)
        account = cls(
            answers=answers,
            compute_environments=tuple(batch.compute_environments(answers)),
            job_queues=tuple(batch.job_queues(answers)),
            job_definitions=tuple(batch.job_definitions(answers)),
            jobs=tuple(batch.jobs(answers)),
            queue_fronts=tuple(batch.queue_fronts(answers)),
            container_instances=tuple(compute.container_instances(answers)),
            tasks=tuple(compute.tasks(answers)),
            instances=tuple(compute.instances(answers)),
            volumes=tuple(compute.volumes(answers)),
            machine_images=tuple(compute.machine_images(answers)),
            launch_templates=tuple(compute.launch_templates(answers)),
            template_versions=tuple(compute.template_versions(answers)),
            auto_scaling_groups=tuple(compute.auto_scaling_groups(answers)),
            container_images=tuple(extras.container_images(answers)),
            metrics=tuple(extras.metrics(answers)),
            rules=tuple(extras.rules(answers)),
            clusters=tuple(extras.clusters(answers)),
            scaling_activities=tuple(extras.scaling_activities(answers)),
        )
        account._note_contradictions()
        return account

    def _note_contradictions(self) -> None:
        """What one answer names and another, said to be whole, does not have is a gap too."""
        self.listed_container_instances  # noqa: B018  notes what it can't read
        for queue in self.job_queues:
            for name in queue.environments:
                if name not in self.environment_by_name:
                    self.answers.note_garbage(
                        "batch:DescribeComputeEnvironments", f"no {name}, which {queue.name} names"
                    )
        asked = {call.params.get("jobQueue") for call in self.answers.calls("batch", "ListJobs")}
        for unknown in asked - self.queue_by_name.keys() - {None}:
            self.answers.note_garbage("batch:DescribeJobQueues", f"no {unknown}, which has jobs")

    # --- what the capture says of itself

    @cached_property
    def taken_at(self) -> datetime | None:
        """When AWS was asked: the `now` of every age."""
        return instant(self.answers.capture.meta, "taken_at")

    @property
    def scope(self) -> str:
        """The account and Region, as fingerprints tell them apart."""
        meta = self.answers.capture.meta
        return f"{meta.get('account')}/{meta.get('region')}"

    def gaps(self, operation: str) -> tuple[Gap, ...]:
        """Why the answer to `service:Operation` is not whole; empty when it is."""
        return self.answers.gaps(operation)

    def lacks(self, service: str, operation: str) -> tuple[str, ...]:
        """The permissions that would complete an operation's answer; empty when it is whole."""
        gaps = self.gaps(f"{service}:{operation}")
        return tuple(dict.fromkeys(gap.permission for gap in gaps))

    # --- one thing by its name

    @cached_property
    def environment_by_name(self) -> dict[str, ComputeEnvironment]:
        """By ARN and by name: queues refer to either."""
        named = {env.name: env for env in self.compute_environments}
        return named | {env.arn: env for env in self.compute_environments}

    @cached_property
    def queue_by_name(self) -> dict[str, JobQueue]:
        """By ARN and by name: jobs and questions refer to either."""
        named = {queue.name: queue for queue in self.job_queues}
        return named | {queue.arn: queue for queue in self.job_queues}

    @cached_property
    def definition_by_name(self) -> dict[str, JobDefinition]:
        """By ARN and by `name:revision`."""
        named = {each.label: each for each in self.job_definitions}
        return named | {each.arn: each for each in self.job_definitions}

    @cached_property
    def instance_by_id(self) -> dict[str, Instance]:
        """EC2 instances by id."""
        return {each.id: each for each in self.instances}

    @cached_property
    def volume_by_id(self) -> dict[str, Volume]:
        """EBS volumes by id."""
        return {each.id: each for each in self.volumes}

    @cached_property
    def machine_image_by_id(self) -> dict[str, MachineImage]:
        """AMIs by id."""
        return {each.id: each for each in self.machine_images}

    @cached_property
    def template_by_name(self) -> dict[str, LaunchTemplate]:
        """Launch templates by id and by name."""
        named = {each.name: each for each in self.launch_templates if each.name}
        return named | {each.id: each for each in self.launch_templates}

    @cached_property
    def template_version(self) -> dict[tuple[str, int], TemplateVersion]:
        """Versions by template id and number."""
        return {(each.template_id, each.number): each for each in self.template_versions}

    @cached_property
    def job_by_id(self) -> dict[str, Job]:
        """Jobs by id."""
        return {job.id: job for job in self.jobs}

    @cached_property
    def _image_by_reference(self) -> dict[tuple[str, str], ContainerImage]:
        found = {}
        for image in self.container_images:
            for name in (image.digest, *image.tags):
                found[image.repository, name] = image
        return found

    def image_of(self, reference: str) -> ContainerImage | None:
        """What ECR says of an image string; None when it is not ECR's or was not answered."""
        key = ("image", reference)
        if key not in self.memo:
            self.memo[key] = self._find_image(reference)
        found: ContainerImage | None = self.memo[key]
        return found

    def _find_image(self, reference: str) -> ContainerImage | None:
        parts = ecr_reference(reference)
        if parts is None:
            return None
        found = self._image_by_reference.get(
            (parts.repository, parts.digest or parts.tag or "latest")
        )
        if found is None or found.registry not in (None, parts.registry):
            return None
        return found

    # --- many things by what they belong to

    @cached_property
    def jobs_by_queue(self) -> dict[str, tuple[Job, ...]]:
        """Jobs by the name of their queue; those whose queue is not described stay out."""
        found: dict[str, list[Job]] = defaultdict(list)
        for job in self.jobs:
            queue = self.queue_by_name.get(job.queue or self._queue_of_parent(job) or "")
            if queue is not None:
                found[queue.name].append(job)
        return {name: tuple(jobs) for name, jobs in found.items()}

    def _queue_of_parent(self, job: Job) -> str | None:
        """A child's listing names no queue; its id begins with its parent's."""
        parent = self.job_by_id.get(re.split("[:#]", job.id, maxsplit=1)[0])
        return parent.queue if parent is not None else None

    def jobs_of(self, queue: JobQueue) -> tuple[Job, ...]:
        """The jobs of a queue that the capture holds."""
        return self.jobs_by_queue.get(queue.name, ())

    @cached_property
    def _queues_by_environment(self) -> dict[str, tuple[JobQueue, ...]]:
        found: dict[str, list[JobQueue]] = defaultdict(list)
        for queue in self.job_queues:
            for name in queue.environments:
                env = self.environment_by_name.get(name)
                if env is not None:
                    found[env.name].append(queue)
        return {name: tuple(queues) for name, queues in found.items()}

    def queues_of(self, env: ComputeEnvironment) -> tuple[JobQueue, ...]:
        """The queues that send jobs to a compute environment."""
        return self._queues_by_environment.get(env.name, ())

    @cached_property
    def container_instances_by_cluster(self) -> dict[str, tuple[ContainerInstance, ...]]:
        """By the cluster's name."""
        found: dict[str, list[ContainerInstance]] = defaultdict(list)
        for each in self.container_instances:
            cluster = cluster_name(each.cluster_arn) or cluster_of_container_instance(each.arn)
            if cluster:
                found[cluster].append(each)
        return {name: tuple(members) for name, members in found.items()}

    @cached_property
    def container_instance_by_arn(self) -> dict[str, ContainerInstance]:
        """Container instances by ARN."""
        return {each.arn: each for each in self.container_instances}

    @cached_property
    def listed_container_instances(self) -> dict[str, tuple[str, ...]]:
        """ARNs by the cluster's name, for every cluster whose listing was answered."""
        found: dict[str, tuple[str, ...]] = {}
        operation = ("ecs", "ListContainerInstances", "containerInstanceArns")
        for call, arns in self.answers.names(*operation):
            cluster = cluster_name(call.params.get("cluster"))
            if cluster:
                found[cluster] = (*found.get(cluster, ()), *arns)
        return found

    @cached_property
    def group_by_instance(self) -> dict[str, AutoScalingGroup]:
        """The Auto Scaling group that each instance is in."""
        return {id: group for group in self.auto_scaling_groups for id in group.instance_ids}

    def groups_of(self, env: ComputeEnvironment) -> tuple[AutoScalingGroup, ...]:
        """The Auto Scaling groups that Batch made for an environment: they bear its name."""
        start = f"{env.name}-asg-"
        return tuple(each for each in self.auto_scaling_groups if each.name.startswith(start))

    @cached_property
    def attempts_by_cluster(self) -> dict[str, tuple[tuple[Job, Attempt], ...]]:
        """Attempts by the name of the cluster they ran in, those on instances now gone included."""
        found: dict[str, list[tuple[Job, Attempt]]] = defaultdict(list)
        for job in self.jobs:
            for attempt in job.attempts:
                arn = attempt.container_instance_arn
                known = self.container_instance_by_arn.get(arn or "")
                cluster = cluster_name(known.cluster_arn) if known else None
                cluster = cluster or cluster_of_container_instance(arn)
                if cluster:
                    found[cluster].append((job, attempt))
        return {name: tuple(attempts) for name, attempts in found.items()}

    @cached_property
    def task_by_arn(self) -> dict[str, Task]:
        """ECS tasks by ARN."""
        return {task.arn: task for task in self.tasks}

    @cached_property
    def metrics_by_volume(self) -> dict[str, tuple[Metric, ...]]:
        """CloudWatch series by volume id."""
        found: dict[str, list[Metric]] = defaultdict(list)
        for metric in self.metrics:
            found[metric.volume_id].append(metric)
        return {id: tuple(series) for id, series in found.items()}
