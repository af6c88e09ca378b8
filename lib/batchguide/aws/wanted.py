"""What is asked of AWS: a table of operations, and how the questions follow from earlier answers.

A row never asks for one thing where the operation takes many: lists are filled to the API's limit.
Reads by id that fail as a whole when one id is gone go by filter (instances, volumes), which leaves
out what is gone, or are asked again without it (AMIs: a filter would search all public ones). The
sources of the limits are the API references of each operation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batchguide.aws import questions_batch, questions_ec2, questions_images
from batchguide.aws.known import Known, Params, Questions, once

MAX_PAGES = 2_000


@dataclass(frozen=True)
class Wanted:
    """One row: an operation, what it follows from, and what an answer is."""

    name: str
    service: str
    operation: str
    answer: str  # the field without which a page is not an answer
    questions: Questions
    follows: tuple[str, ...] = ()  # rows whose answers make the questions
    after: tuple[str, ...] = ()  # rows that only help to ask better
    answer_type: type = list
    token: str | None = None  # the field that names the next page
    max_pages: int = MAX_PAGES
    whole: bool = True  # False: the first `max_pages` are all that is wanted
    asked: Callable[[Params], int] | None = None  # how many items must be answered
    counted: Callable[[dict[str, Any]], int] | None = None
    keep: Callable[[Known], Callable[[dict[str, Any]], bool]] | None = None
    narrowed: Callable[[Params, str, str], Params | None] | None = None  # by an error of AWS

    @property
    def permission(self) -> str:
        """The IAM action; its prefix is the service's name but for Service Quotas."""
        return f"{self.service.replace('service-quotas', 'servicequotas')}:{self.operation}"


def _asked_instances(params: Params) -> int:
    return len(params["Filters"][0]["Values"])


def _counted_instances(page: dict[str, Any]) -> int:
    return sum(len(reservation.get("Instances") or []) for reservation in page["Reservations"])


WANTED: tuple[Wanted, ...] = (
    Wanted(
        "identity",
        "sts",
        "GetCallerIdentity",
        answer="Account",
        answer_type=str,
        questions=once(),
    ),
    Wanted(
        "compute environments",
        "batch",
        "DescribeComputeEnvironments",
        answer="computeEnvironments",
        token="nextToken",
        questions=once(),
    ),
    Wanted(
        "job queues",
        "batch",
        "DescribeJobQueues",
        answer="jobQueues",
        token="nextToken",
        questions=once(),
    ),
    Wanted(
        "job definitions",
        "batch",
        "DescribeJobDefinitions",
        answer="jobDefinitions",
        token="nextToken",
        questions=once(status="ACTIVE"),
    ),
    Wanted(
        "launch templates",
        "ec2",
        "DescribeLaunchTemplates",
        answer="LaunchTemplates",
        token="NextToken",
        questions=once(MaxResults=200),
        follows=("compute environments",),
        after=("groups",),
        keep=questions_ec2.of_batch_template,
    ),
    Wanted(
        "groups",
        "autoscaling",
        "DescribeAutoScalingGroups",
        answer="AutoScalingGroups",
        token="NextToken",
        questions=once(MaxRecords=100),
        keep=questions_ec2.of_batch_group,
    ),
    Wanted(
        "event rules",
        "events",
        "ListRules",
        answer="Rules",
        token="NextToken",
        questions=once(Limit=100),
    ),
    Wanted(
        "quotas",
        "service-quotas",
        "GetServiceQuota",
        answer="Quota",
        answer_type=dict,
        questions=questions_batch.quotas,
    ),
    Wanted(
        "jobs",
        "batch",
        "ListJobs",
        answer="jobSummaryList",
        token="nextToken",
        questions=questions_batch.jobs_of_queues,
        follows=("job queues",),
    ),
    Wanted(
        "snapshots",
        "batch",
        "GetJobQueueSnapshot",
        answer="frontOfQueue",
        answer_type=dict,
        questions=questions_batch.snapshots,
        follows=("job queues",),
    ),
    Wanted(
        "children",
        "batch",
        "ListJobs",
        answer="jobSummaryList",
        token="nextToken",
        questions=questions_batch.failed_children,
        follows=("jobs",),
    ),
    Wanted(
        "job details",
        "batch",
        "DescribeJobs",
        answer="jobs",
        questions=questions_batch.described_jobs,
        follows=("jobs", "children"),
        asked=lambda params: len(params["jobs"]),
    ),
    Wanted(
        "clusters",
        "ecs",
        "DescribeClusters",
        answer="clusters",
        questions=questions_batch.described_clusters,
        follows=("compute environments",),
    ),
    Wanted(
        "container instances",
        "ecs",
        "ListContainerInstances",
        answer="containerInstanceArns",
        token="nextToken",
        questions=questions_batch.container_instances,
        follows=("compute environments",),
    ),
    Wanted(
        "container instance details",
        "ecs",
        "DescribeContainerInstances",
        answer="containerInstances",
        questions=questions_batch.described_container_instances,
        follows=("container instances",),
        asked=lambda params: len(params["containerInstances"]),
    ),
    Wanted(
        "tasks",
        "ecs",
        "ListTasks",
        answer="taskArns",
        token="nextToken",
        questions=questions_batch.tasks,
        follows=("compute environments",),
    ),
    Wanted(
        "task details",
        "ecs",
        "DescribeTasks",
        answer="tasks",
        questions=questions_batch.described_tasks,
        follows=("tasks",),
    ),
    Wanted(
        "template versions",
        "ec2",
        "DescribeLaunchTemplateVersions",
        answer="LaunchTemplateVersions",
        token="NextToken",
        questions=questions_ec2.template_versions,
        follows=("compute environments",),
        after=("groups",),
        keep=questions_ec2.of_batch_template,
    ),
    Wanted(
        "activities",
        "autoscaling",
        "DescribeScalingActivities",
        answer="Activities",
        questions=questions_ec2.activities,
        follows=("groups",),
        token="NextToken",
        max_pages=1,
        whole=False,
    ),
    Wanted(
        "instances",
        "ec2",
        "DescribeInstances",
        answer="Reservations",
        token="NextToken",
        questions=questions_ec2.instances,
        follows=("container instance details",),
        after=("groups",),
        asked=_asked_instances,
        counted=_counted_instances,
    ),
    Wanted(
        "user data",
        "ec2",
        "DescribeInstanceAttribute",
        answer="UserData",
        answer_type=dict,
        questions=questions_ec2.user_data,
        follows=("instances",),
    ),
    Wanted(
        "volumes",
        "ec2",
        "DescribeVolumes",
        answer="Volumes",
        token="NextToken",
        questions=questions_ec2.volumes,
        follows=("instances",),
    ),
    Wanted(
        "machine images",
        "ec2",
        "DescribeImages",
        answer="Images",
        token="NextToken",
        narrowed=questions_ec2.without_missing_images,
        questions=questions_ec2.machine_images,
        follows=("compute environments", "instances", "template versions"),
    ),
    Wanted(
        "volume metrics",
        "cloudwatch",
        "GetMetricData",
        answer="MetricDataResults",
        token="NextToken",
        questions=questions_ec2.volume_metrics,
        follows=("volumes",),
        asked=lambda params: len(params["MetricDataQueries"]),
    ),
    Wanted(
        "image manifests",
        "ecr",
        "BatchGetImage",
        answer="images",
        questions=questions_images.image_manifests,
        follows=("job definitions",),
        after=("job details",),
    ),
    Wanted(
        "platform manifests",
        "ecr",
        "BatchGetImage",
        answer="images",
        questions=questions_images.platform_manifests,
        follows=("image manifests",),
    ),
    Wanted(
        "image details",
        "ecr",
        "DescribeImages",
        answer="imageDetails",
        questions=questions_images.image_details,
        follows=("job definitions",),
        after=("job details", "image manifests", "platform manifests"),
    ),
    Wanted(
        "rule targets",
        "events",
        "ListTargetsByRule",
        answer="Targets",
        token="NextToken",
        questions=questions_batch.rule_targets,
        follows=("event rules",),
    ),
)
OPERATIONS = frozenset((wanted.service, wanted.operation) for wanted in WANTED)
