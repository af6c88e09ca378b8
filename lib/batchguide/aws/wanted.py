"""What is asked of AWS: a table of operations, and how the questions follow from earlier answers.

A row never asks for one thing where the operation takes many: lists are filled to the API's limit.
Reads by id that fail as a whole when one id is gone go by filter (instances, volumes), which leaves
out what is gone, or are asked again without it (AMIs: a filter would search all public ones). The
sources of the limits are the API references of each operation.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batchguide.capture import Call

Params = dict[str, Any]

MAX_PAGES = 2_000
BATCH_JOBS = 100  # DescribeJobs
ECS_DESCRIBE = 100  # DescribeClusters, DescribeContainerInstances, DescribeTasks
EC2_FILTER_VALUES = 200
METRIC_QUERIES = 500  # GetMetricData
ECR_IMAGES = 100  # BatchGetImage, DescribeImages
METRIC_PERIOD_S = 3600
# Newest first. Beyond these, failures and blocked jobs are marked as cut; the others are samples.
DESCRIBED_JOBS = {"FAILED": 5_000, "RUNNABLE": 200, "STARTING": 500, "RUNNING": 1_000}
SAMPLED_SUCCEEDED_JOBS = 1_000
MAX_PARENT_JOBS = 500
USER_DATA_PER_GROUP = 50
QUOTAS = (
    ("ec2", "L-1216C47A"),  # running On-Demand Standard vCPUs
    ("ec2", "L-34B43A08"),  # all Standard Spot vCPUs
    ("ebs", "L-7A658B76"),  # TiB of gp3
    ("ebs", "L-D18FCD1D"),  # TiB of gp2
)
MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_ECR_IMAGE = re.compile(
    r"(?P<registry>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/"
    r"(?P<repository>[^:@\s]+)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


@dataclass(frozen=True)
class Omitted:
    """Stands among the questions for those that a bound left out, or that can't be made."""

    message: str
    kind: str = "cut"


@dataclass(frozen=True)
class Known:
    """What has been answered so far, redacted already."""

    region: str
    now: datetime
    since: datetime
    calls: Sequence[Call]

    def calls_of(self, service: str, operation: str) -> list[Call]:
        return [
            call for call in self.calls if (call.service, call.operation) == (service, operation)
        ]

    def items(self, service: str, operation: str, field: str) -> Iterator[dict[str, Any]]:
        for call in self.calls_of(service, operation):
            for page in call.pages:
                yield from (item for item in page[field] if isinstance(item, dict))


Questions = Callable[[Known], Iterable[Params | Omitted]]


@dataclass(frozen=True)
class Wanted:
    """One row: an operation, what it follows from, and which checks want it."""

    name: str
    service: str
    operation: str
    answer: str  # the field without which a page is not an answer
    questions: Questions
    checks: tuple[str, ...] = ()
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


def once(**params: Any) -> Questions:
    """The same single question for every account."""
    return lambda _: [params]


def batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Distinct values in first-seen order, `size` at a time."""
    distinct = list(dict.fromkeys(values))
    return (distinct[at : at + size] for at in range(0, len(distinct), size))


def _filter(name: str, values: Iterable[str]) -> Iterator[Params]:
    for batch in batches(values, EC2_FILTER_VALUES):
        yield {"Filters": [{"Name": name, "Values": batch}]}


def _ms(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- Batch ------------------------------------------------------------------------------------


def _queues(known: Known) -> list[str]:
    return [queue["jobQueueArn"] for queue in _described_queues(known) if "jobQueueArn" in queue]


def _described_queues(known: Known) -> Iterator[dict[str, Any]]:
    return known.items("batch", "DescribeJobQueues", "jobQueues")


def jobs_of_queues(known: Known) -> Iterator[Params]:
    """All jobs made since; and those waiting or running, however old they are.

    A filter makes AWS ignore the status, so that one listing has all of them.
    """
    for queue in _queues(known):
        made = {"name": "AFTER_CREATED_AT", "values": [_ms(known.since)]}
        yield {"jobQueue": queue, "filters": [made]}
        for status in ("RUNNABLE", "STARTING", "RUNNING"):
            yield {"jobQueue": queue, "jobStatus": status}


def _summaries(known: Known) -> list[dict[str, Any]]:
    """Job summaries, each once, newest first."""
    found = {
        job["jobId"]: job
        for job in known.items("batch", "ListJobs", "jobSummaryList")
        if "jobId" in job
    }
    return sorted(found.values(), key=lambda job: (-job.get("createdAt", 0), job["jobId"]))


def failed_children(known: Known) -> Iterator[Params | Omitted]:
    """A failed parent says only that a child failed; the listing of a queue leaves children out."""
    parents = [
        ("arrayJobId" if "arrayProperties" in job else "multiNodeJobId", job["jobId"])
        for job in _summaries(known)
        if job.get("status") == "FAILED" and ("arrayProperties" in job or "nodeProperties" in job)
    ]
    for parameter, job_id in parents[:MAX_PARENT_JOBS]:
        yield {parameter: job_id, "jobStatus": "FAILED"}
    if len(parents) > MAX_PARENT_JOBS:
        yield Omitted(f"not asked: children of {len(parents) - MAX_PARENT_JOBS} failed parent jobs")


def described_jobs(known: Known) -> Iterator[Params | Omitted]:
    """Jobs worth their details: failed, blocked, running; and an even sample of succeeded ones."""
    chosen: list[str] = []
    omitted: list[str] = []
    summaries = _summaries(known)
    for status, limit in DESCRIBED_JOBS.items():
        ids = [job["jobId"] for job in summaries if job.get("status") == status]
        chosen += ids[:limit]
        if status == "FAILED" and len(ids) > limit:
            omitted.append(f"{len(ids) - limit} of {len(ids)} {status} jobs")
    chosen += _sample(
        [job["jobId"] for job in summaries if job.get("status") == "SUCCEEDED"],
        SAMPLED_SUCCEEDED_JOBS,
    )
    for batch in batches(chosen, BATCH_JOBS):
        yield {"jobs": batch}
    for what in omitted:
        yield Omitted(f"not asked: {what}")


def _sample(values: Sequence[str], size: int) -> list[str]:
    if len(values) <= size:
        return list(values)
    return [values[at * len(values) // size] for at in range(size)]


# --- ECS --------------------------------------------------------------------------------------


def clusters(known: Known) -> list[str]:
    environments = known.items("batch", "DescribeComputeEnvironments", "computeEnvironments")
    found = [environment.get("ecsClusterArn") for environment in environments]
    return list(dict.fromkeys(cluster for cluster in found if cluster))


def described_clusters(known: Known) -> Iterator[Params]:
    for batch in batches(clusters(known), ECS_DESCRIBE):
        yield {"clusters": batch}


def container_instances(known: Known) -> Iterator[Params]:
    return ({"cluster": cluster} for cluster in clusters(known))


def _listed_in_clusters(
    known: Known, operation: str, field: str, parameter: str
) -> Iterator[Params]:
    by_cluster: dict[str, list[str]] = {}
    for call in known.calls_of("ecs", operation):
        if "cluster" in call.params:
            arns = by_cluster.setdefault(call.params["cluster"], [])
            arns += [arn for page in call.pages for arn in page[field]]
    for cluster, arns in by_cluster.items():
        for batch in batches(arns, ECS_DESCRIBE):
            yield {"cluster": cluster, parameter: batch}


def described_container_instances(known: Known) -> Iterator[Params]:
    return _listed_in_clusters(
        known, "ListContainerInstances", "containerInstanceArns", "containerInstances"
    )


def tasks(known: Known) -> Iterator[Params]:
    """Stopped tasks are kept by ECS for an hour or so."""
    for cluster in clusters(known):
        for status in ("RUNNING", "STOPPED"):
            yield {"cluster": cluster, "desiredStatus": status}


def described_tasks(known: Known) -> Iterator[Params]:
    return _listed_in_clusters(known, "ListTasks", "taskArns", "tasks")


# --- launch templates, groups, instances ------------------------------------------------------


def _template_specs(known: Known) -> Iterator[dict[str, Any]]:
    """{launchTemplateId | launchTemplateName, version} of compute environments and groups."""
    for environment in known.items("batch", "DescribeComputeEnvironments", "computeEnvironments"):
        spec = (environment.get("computeResources") or {}).get("launchTemplate") or {}
        yield from (item for item in (spec, *spec.get("overrides", [])) if item)
    for group in known.items("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups"):
        spec = group_template(group)
        yield {key[0].lower() + key[1:]: value for key, value in spec.items()}


def group_template(group: dict[str, Any]) -> dict[str, Any]:
    """The launch template specification of an Auto Scaling group, {} when it has none."""
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    return mixed.get("LaunchTemplateSpecification") or group.get("LaunchTemplate") or {}


def _is_batch_template(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("Batch-lt-")


def of_batch_group(_: Known) -> Callable[[dict[str, Any]], bool]:
    """Groups of other services are none of our business, and are not kept."""

    def keep(group: dict[str, Any]) -> bool:
        tags = {tag.get("Key") for tag in group.get("Tags") or []}
        name = group.get("AutoScalingGroupName", "")
        template = group_template(group).get("LaunchTemplateName")
        return _is_batch_template(template) or "AWSBatchServiceTag" in tags or "-asg-" in name

    return keep


def of_batch_template(known: Known) -> Callable[[dict[str, Any]], bool]:
    """Templates that a compute environment names, and those that Batch made from them."""
    specs = list(_template_specs(known))
    wanted = {spec.get(key) for spec in specs for key in ("launchTemplateId", "launchTemplateName")}

    def keep(template: dict[str, Any]) -> bool:
        template_id, name = template.get("LaunchTemplateId"), template.get("LaunchTemplateName")
        return _is_batch_template(name) or bool({template_id, name} & (wanted - {None}))

    return keep


def template_versions(known: Known) -> Iterator[Params]:
    """Newest and default versions of all templates at once; pinned ones template by template."""
    yield {"Versions": ["$Latest", "$Default"]}
    pinned: dict[tuple[str, str], list[str]] = {}
    for spec in _template_specs(known):
        version = str(spec.get("version") or "")
        key = next((k for k in ("launchTemplateId", "launchTemplateName") if spec.get(k)), None)
        if key and version.isdigit():
            versions = pinned.setdefault((key[0].upper() + key[1:], spec[key]), [])
            versions += [version] if version not in versions else []
    for (parameter, template), versions in pinned.items():
        yield {parameter: template, "Versions": versions}


def activities(known: Known) -> Iterator[Params]:
    for group in known.items("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups"):
        yield {"AutoScalingGroupName": group["AutoScalingGroupName"], "MaxRecords": 100}


def instances(known: Known) -> Iterator[Params]:
    """Instances that joined a cluster, and those that a group launched and that did not."""
    joined = known.items("ecs", "DescribeContainerInstances", "containerInstances")
    ids = [instance.get("ec2InstanceId") for instance in joined]
    for group in known.items("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups"):
        ids += [instance.get("InstanceId") for instance in group.get("Instances") or []]
    return _filter("instance-id", (found for found in ids if found))


def described_instances(known: Known) -> Iterator[dict[str, Any]]:
    for reservation in known.items("ec2", "DescribeInstances", "Reservations"):
        yield from reservation.get("Instances") or []


def user_data(known: Known) -> Iterator[Params]:
    """User data of up to 50 instances of each AMI, group and template version: it is theirs all."""
    groups: dict[tuple[str | None, ...], list[str]] = {}
    for instance in described_instances(known):
        tags = {tag.get("Key"): tag.get("Value") for tag in instance.get("Tags") or []}
        names = ("aws:autoscaling:groupName", "aws:ec2launchtemplate:version")
        key = (instance.get("ImageId"), *(tags.get(name) for name in names))
        groups.setdefault(key, []).append(instance["InstanceId"])
    for ids in groups.values():
        for instance_id in ids[:USER_DATA_PER_GROUP]:
            yield {"InstanceId": instance_id, "Attribute": "userData"}


def volumes(known: Known) -> Iterator[Params]:
    ids = (instance["InstanceId"] for instance in described_instances(known))
    return _filter("attachment.instance-id", ids)


def machine_images(known: Known) -> Iterator[Params]:
    """AMIs of instances, compute environments and launch templates."""
    ids = [instance.get("ImageId") for instance in described_instances(known)]
    for environment in known.items("batch", "DescribeComputeEnvironments", "computeEnvironments"):
        resources = environment.get("computeResources") or {}
        ids.append(resources.get("imageId"))
        ids += [c.get("imageIdOverride") for c in resources.get("ec2Configuration") or []]
    versions = known.items("ec2", "DescribeLaunchTemplateVersions", "LaunchTemplateVersions")
    ids += [(version.get("LaunchTemplateData") or {}).get("ImageId") for version in versions]
    found = (image_id for image_id in ids if image_id and image_id.startswith("ami-"))
    return ({"ImageIds": batch} for batch in batches(found, EC2_FILTER_VALUES))


def without_missing_images(question: Params, code: str, message: str) -> Params | None:
    """The same question without the AMIs that AWS says are gone; None when that does not help.

    Never an empty list: AWS would take it for all public images.
    """
    if not code.startswith("InvalidAMIID"):
        return None
    left = [image_id for image_id in question["ImageIds"] if image_id not in message]
    return {"ImageIds": left} if 0 < len(left) < len(question["ImageIds"]) else None


def volume_metrics(known: Known) -> Iterator[Params]:
    """Hourly worst of what throttles a volume; the label names volume, metric and statistic."""
    queries = [
        _metric(volume["VolumeId"], metric, statistic)
        for volume in known.items("ec2", "DescribeVolumes", "Volumes")
        for metric, statistic in (("BurstBalance", "Minimum"), ("VolumeQueueLength", "Maximum"))
        if metric != "BurstBalance" or volume.get("VolumeType") in ("gp2", "st1", "sc1")
    ]
    for at in range(0, len(queries), METRIC_QUERIES):
        batch = queries[at : at + METRIC_QUERIES]
        yield {
            "MetricDataQueries": [{**query, "Id": f"m{i}"} for i, query in enumerate(batch)],
            "StartTime": _iso(known.since),
            "EndTime": _iso(known.now),
            "ScanBy": "TimestampAscending",
        }


def _metric(volume: str, metric: str, statistic: str) -> dict[str, Any]:
    dimension = {"Name": "VolumeId", "Value": volume}
    measured = {"Namespace": "AWS/EBS", "MetricName": metric, "Dimensions": [dimension]}
    return {
        "MetricStat": {"Metric": measured, "Period": METRIC_PERIOD_S, "Stat": statistic},
        "Label": f"{volume} {metric} {statistic}",
    }


# --- images of containers ---------------------------------------------------------------------


def container_images(known: Known) -> list[str]:
    """Images of the newest revision of each definition, and of the jobs described."""
    newest: dict[str, dict[str, Any]] = {}
    for definition in known.items("batch", "DescribeJobDefinitions", "jobDefinitions"):
        name = definition.get("jobDefinitionName", "")
        if name not in newest or definition["revision"] > newest[name]["revision"]:
            newest[name] = definition
    described = known.items("batch", "DescribeJobs", "jobs")
    found = [image for item in (*newest.values(), *described) for image in _images_in(item)]
    return list(dict.fromkeys(found))


def _images_in(value: Any) -> Iterator[str]:
    """Every `image` in a definition or job: container, nodes, ECS tasks and pods alike."""
    if isinstance(value, dict):
        image = value.get("image")
        if isinstance(image, str):
            yield image
        nested: Iterable[Any] = (item for key, item in value.items() if key != "attempts")
    else:
        nested = value if isinstance(value, list) else ()
    for item in nested:
        if isinstance(item, dict | list):
            yield from _images_in(item)


def _by_repository(known: Known) -> dict[tuple[str, str], list[Params]]:
    """Image ids in ECR repositories of this region; other regions' need another session."""
    found: dict[tuple[str, str], list[Params]] = {}
    for image in container_images(known):
        match = _ECR_IMAGE.match(image)
        if match is None or match["region"] != known.region:
            continue
        ids = found.setdefault((match["registry"], match["repository"]), [])
        digest = {"imageDigest": match["digest"]}
        ids.append(digest if match["digest"] else {"imageTag": match["tag"] or "latest"})
    return found


def _image_questions(
    repositories: dict[tuple[str, str], list[Params]], **more: Any
) -> Iterator[Params]:
    for (registry, repository), ids in repositories.items():
        distinct = list({json.dumps(image_id): image_id for image_id in ids}.values())
        for at in range(0, len(distinct), ECR_IMAGES):
            batch = distinct[at : at + ECR_IMAGES]
            named = {"registryId": registry, "repositoryName": repository, "imageIds": batch}
            yield {**named, **more}


def image_manifests(known: Known) -> Iterator[Params]:
    return _image_questions(_by_repository(known), acceptedMediaTypes=list(MANIFEST_TYPES))


def platform_manifests(known: Known) -> Iterator[Params]:
    """An image for several architectures is an index; its layers are in the manifests it names."""
    found: dict[tuple[str, str], list[Params]] = {}
    for image in known.items("ecr", "BatchGetImage", "images"):
        for child in _manifest(image).get("manifests") or []:
            if (child.get("platform") or {}).get("os") == "linux":
                key = (image.get("registryId", ""), image.get("repositoryName", ""))
                found.setdefault(key, []).append({"imageDigest": child.get("digest")})
    return _image_questions(found, acceptedMediaTypes=list(MANIFEST_TYPES))


def _manifest(image: dict[str, Any]) -> dict[str, Any]:
    try:
        manifest = json.loads(image.get("imageManifest") or "{}")
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def image_details(known: Known) -> Iterator[Params]:
    """One missing tag fails the whole question, so ask by the digests that ECR has just named."""
    named = _by_repository(known)
    for call in known.calls_of("ecr", "BatchGetImage"):
        if call.error is None and call.pages:
            named.pop((call.params["registryId"], call.params["repositoryName"]), None)
    for image in known.items("ecr", "BatchGetImage", "images"):
        digest = (image.get("imageId") or {}).get("imageDigest")
        if digest:
            key = (image.get("registryId", ""), image.get("repositoryName", ""))
            named.setdefault(key, []).append({"imageDigest": digest})
    return _image_questions(named)


# --- events, quotas ---------------------------------------------------------------------------


def snapshots(known: Known) -> Iterator[Params]:
    return ({"jobQueue": queue} for queue in _queues(known))


def rule_targets(known: Known) -> Iterator[Params]:
    """Targets of the rules that a Batch event could match."""
    for rule in known.items("events", "ListRules", "Rules"):
        if may_match_batch(rule.get("EventPattern")):
            yield {"Rule": rule["Name"]}


def may_match_batch(pattern: Any) -> bool:
    """Whether a rule's pattern leaves room for events of `aws.batch`; in doubt, yes."""
    try:
        sources = json.loads(pattern or "null")
        sources = sources.get("source") if isinstance(sources, dict) else []
    except ValueError:
        return True
    if sources is None:
        return True
    return any(not isinstance(source, str) or source == "aws.batch" for source in sources)


def quotas(_: Known) -> Iterator[Params]:
    return ({"ServiceCode": service, "QuotaCode": code} for service, code in QUOTAS)


def _asked_instances(params: Params) -> int:
    return len(params["Filters"][0]["Values"])


def _counted_instances(page: dict[str, Any]) -> int:
    return sum(len(reservation.get("Instances") or []) for reservation in page["Reservations"])


_JOB_CHECKS = ("DISK-001", "DISK-009", "SCHED-001")
_VOLUME_CHECKS = ("DISK-002", "DISK-003", "DISK-005", "DISK-007", "DISK-017", "DISK-035")
_USER_DATA_CHECKS = ("DISK-010", "DISK-011", "DISK-012", "DISK-014")
_TEMPLATE_CHECKS = ("DISK-002", "DISK-005", "DISK-011", "DISK-017", "DISK-035")
_ENVIRONMENT_CHECKS = (
    *("DISK-002", "DISK-010", "DISK-014", "DISK-017", "DISK-019", "DISK-035"),
    *("CE-001", "CE-002", "AMI-001"),
)

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
        checks=_ENVIRONMENT_CHECKS,
    ),
    Wanted(
        "job queues",
        "batch",
        "DescribeJobQueues",
        answer="jobQueues",
        token="nextToken",
        questions=once(),
        checks=("SCHED-001",),
    ),
    Wanted(
        "job definitions",
        "batch",
        "DescribeJobDefinitions",
        answer="jobDefinitions",
        token="nextToken",
        questions=once(status="ACTIVE"),
        checks=("DISK-003", "DISK-017", "DISK-019"),
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
        keep=of_batch_template,
        checks=("DISK-035",),
    ),
    Wanted(
        "groups",
        "autoscaling",
        "DescribeAutoScalingGroups",
        answer="AutoScalingGroups",
        token="NextToken",
        questions=once(MaxRecords=100),
        keep=of_batch_group,
    ),
    Wanted(
        "event rules",
        "events",
        "ListRules",
        answer="Rules",
        token="NextToken",
        questions=once(Limit=100),
        checks=("LOG-003",),
    ),
    Wanted(
        "quotas",
        "service-quotas",
        "GetServiceQuota",
        answer="Quota",
        answer_type=dict,
        questions=quotas,
    ),
    Wanted(
        "jobs",
        "batch",
        "ListJobs",
        answer="jobSummaryList",
        token="nextToken",
        questions=jobs_of_queues,
        follows=("job queues",),
        checks=("DISK-001", "DISK-003", "SCHED-001"),
    ),
    Wanted(
        "snapshots",
        "batch",
        "GetJobQueueSnapshot",
        answer="frontOfQueue",
        answer_type=dict,
        questions=snapshots,
        follows=("job queues",),
        checks=("SCHED-001",),
    ),
    Wanted(
        "children",
        "batch",
        "ListJobs",
        answer="jobSummaryList",
        token="nextToken",
        questions=failed_children,
        follows=("jobs",),
        checks=("DISK-001",),
    ),
    Wanted(
        "job details",
        "batch",
        "DescribeJobs",
        answer="jobs",
        questions=described_jobs,
        follows=("jobs", "children"),
        asked=lambda params: len(params["jobs"]),
        checks=_JOB_CHECKS,
    ),
    Wanted(
        "clusters",
        "ecs",
        "DescribeClusters",
        answer="clusters",
        questions=described_clusters,
        follows=("compute environments",),
    ),
    Wanted(
        "container instances",
        "ecs",
        "ListContainerInstances",
        answer="containerInstanceArns",
        token="nextToken",
        questions=container_instances,
        follows=("compute environments",),
        checks=("DISK-010",),
    ),
    Wanted(
        "container instance details",
        "ecs",
        "DescribeContainerInstances",
        answer="containerInstances",
        questions=described_container_instances,
        follows=("container instances",),
        asked=lambda params: len(params["containerInstances"]),
        checks=("DISK-010",),
    ),
    Wanted(
        "tasks",
        "ecs",
        "ListTasks",
        answer="taskArns",
        token="nextToken",
        questions=tasks,
        follows=("compute environments",),
        checks=("DISK-001", "DISK-009", "DISK-012"),
    ),
    Wanted(
        "task details",
        "ecs",
        "DescribeTasks",
        answer="tasks",
        questions=described_tasks,
        follows=("tasks",),
        checks=("DISK-001", "DISK-009", "DISK-012"),
    ),
    Wanted(
        "template versions",
        "ec2",
        "DescribeLaunchTemplateVersions",
        answer="LaunchTemplateVersions",
        token="NextToken",
        questions=template_versions,
        follows=("compute environments",),
        after=("groups",),
        keep=of_batch_template,
        checks=_TEMPLATE_CHECKS,
    ),
    Wanted(
        "activities",
        "autoscaling",
        "DescribeScalingActivities",
        answer="Activities",
        questions=activities,
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
        questions=instances,
        follows=("container instance details",),
        after=("groups",),
        asked=_asked_instances,
        counted=_counted_instances,
        checks=("DISK-002", "DISK-005", "DISK-014", "DISK-019", "DISK-035", "AMI-001"),
    ),
    Wanted(
        "user data",
        "ec2",
        "DescribeInstanceAttribute",
        answer="UserData",
        answer_type=dict,
        questions=user_data,
        follows=("instances",),
        checks=_USER_DATA_CHECKS,
    ),
    Wanted(
        "volumes",
        "ec2",
        "DescribeVolumes",
        answer="Volumes",
        token="NextToken",
        questions=volumes,
        follows=("instances",),
        checks=_VOLUME_CHECKS,
    ),
    Wanted(
        "machine images",
        "ec2",
        "DescribeImages",
        answer="Images",
        token="NextToken",
        narrowed=without_missing_images,
        questions=machine_images,
        follows=("compute environments", "instances", "template versions"),
        checks=("DISK-002", "DISK-005", "DISK-014", "AMI-001"),
    ),
    Wanted(
        "volume metrics",
        "cloudwatch",
        "GetMetricData",
        answer="MetricDataResults",
        token="NextToken",
        questions=volume_metrics,
        follows=("volumes",),
        asked=lambda params: len(params["MetricDataQueries"]),
        checks=("DISK-007",),
    ),
    Wanted(
        "image manifests",
        "ecr",
        "BatchGetImage",
        answer="images",
        questions=image_manifests,
        follows=("job definitions",),
        after=("job details",),
        checks=("DISK-003",),
    ),
    Wanted(
        "platform manifests",
        "ecr",
        "BatchGetImage",
        answer="images",
        questions=platform_manifests,
        follows=("image manifests",),
        checks=("DISK-003",),
    ),
    Wanted(
        "image details",
        "ecr",
        "DescribeImages",
        answer="imageDetails",
        questions=image_details,
        follows=("job definitions",),
        after=("job details", "image manifests", "platform manifests"),
        checks=("DISK-003",),
    ),
    Wanted(
        "rule targets",
        "events",
        "ListTargetsByRule",
        answer="Targets",
        token="NextToken",
        questions=rule_targets,
        follows=("event rules",),
        checks=("LOG-003",),
    ),
)
OPERATIONS = frozenset((wanted.service, wanted.operation) for wanted in WANTED)
