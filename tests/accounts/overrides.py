"""Every answer of the fake that is not moto's, with the AWS document that it follows.

moto answers these wrongly, without fields that AWS always sends, or not at all.
"""

import fnmatch
import json
from collections.abc import Iterable
from datetime import UTC, timedelta
from itertools import groupby
from statistics import fmean
from typing import Any

from moto.ec2.models import ec2_backends

from accounts.world import ACCOUNT, REGION, from_ms, ms
from fakeaws import AwsError, Context, override

Shape = dict[str, Any]
_UNNAMED = "You must specify at least one"


def _named(arn_or_name: str) -> str:
    return arn_or_name.rsplit("/", 1)[-1]


# --- AWS Batch ---------------------------------------------------------------------------------


@override("batch", "DescribeComputeEnvironments")
def describe_compute_environments(context: Context) -> Shape:
    """moto: always VALID, no defaults, no uuid.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeEnvironmentDetail.html
    """
    answer = context.original()
    for environment in answer["computeEnvironments"]:
        name = environment["computeEnvironmentName"]
        status, reason = context.world.environment_states.get(
            name, ("VALID", "ComputeEnvironment Healthy")
        )
        environment.update(status=status, statusReason=reason, containerOrchestrationType="ECS")
        environment["uuid"] = environment["ecsClusterArn"].rsplit("_", 1)[-1]
        if environment["type"] == "UNMANAGED":
            environment.setdefault("unmanagedvCpus", 0)
            environment.pop("computeResources", None)
            continue
        environment["updatePolicy"] = {
            "terminateJobsOnUpdate": False,
            "jobExecutionTimeoutMinutes": 30,
        }
        changed = context.world.environment_resources.get(name, {})
        environment["computeResources"].update(changed)
    return answer


@override("batch", "DescribeJobQueues")
def describe_job_queues(context: Context) -> Shape:
    """moto: no statusReason, no jobStateTimeLimitActions.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_JobQueueDetail.html
    """
    answer = context.original()
    for queue in answer["jobQueues"]:
        limits = context.world.time_limits.get(queue["jobQueueName"], [])
        queue.update(statusReason="JobQueue Healthy", jobStateTimeLimitActions=limits)
        queue["jobQueueType"] = "ECS"
    return answer


@override("batch", "RegisterJobDefinition")
def register_job_definition(context: Context) -> Shape:
    """moto: refuses ecsProperties, drops schedulingPriority.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html
    """
    world, params = context.world, dict(context.params)
    name = params["jobDefinitionName"]
    earlier = [d for d in world.definitions.values() if d["jobDefinitionName"] == name]
    revision = len(earlier) + 1
    arn = world.arn("batch", f"job-definition/{name}:{revision}")
    container = _container_with_defaults(params.pop("containerProperties", None))
    world.definitions[arn] = {
        "parameters": {},
        "tags": {},
        "platformCapabilities": ["EC2"],
        **params,
        **({"containerProperties": container} if container else {}),
        "jobDefinitionArn": arn,
        "revision": revision,
        "status": "ACTIVE",
        "containerOrchestrationType": "ECS",
    }
    return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}


def _container_with_defaults(container: Shape | None) -> Shape | None:
    if container is None:
        return None
    empty = ("command", "volumes", "environment", "mountPoints", "ulimits", "secrets")
    return {**{name: [] for name in empty}, **container}


@override("batch", "DescribeJobDefinitions")
def describe_job_definitions(context: Context) -> Shape:
    """moto: `name:revision` finds nothing, nodeProperties never come back.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobDefinitions.html
    """
    params, found = context.params, context.world.definitions.values()
    if params.get("jobDefinitions"):
        found = [d for d in found if _is_one_of(d, params["jobDefinitions"])]
    elif params.get("jobDefinitionName"):
        found = [d for d in found if d["jobDefinitionName"] == params["jobDefinitionName"]]
    status = params.get("status")
    return {"jobDefinitions": [d for d in found if status in (None, d["status"])]}


def _is_one_of(definition: Shape, names: Iterable[str]) -> bool:
    arn = definition["jobDefinitionArn"]
    return any(name in (arn, _named(arn), definition["jobDefinitionName"]) for name in names)


@override("batch", "DeregisterJobDefinition")
def deregister_job_definition(context: Context) -> Shape:
    """https://docs.aws.amazon.com/batch/latest/APIReference/API_DeregisterJobDefinition.html"""
    for definition in context.world.definitions.values():
        if _is_one_of(definition, [context.params["jobDefinition"]]):
            definition["status"] = "INACTIVE"
    return {}


@override("batch", "SubmitJob")
def submit_job(context: Context) -> Shape:
    """moto: runs it at once in Docker or ends it at once, and drops half of what was asked.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
    """
    world, params = context.world, context.params
    wanted = params["jobDefinition"]
    definitions = [d for d in world.definitions.values() if _is_one_of(d, [wanted])]
    if not definitions:
        raise AwsError("ClientException", f"JobDefinition {wanted} not found")
    definition, job_id = definitions[-1], world.uuid()
    overrides = params.get("containerOverrides") or {}
    container = {**definition["containerProperties"], "networkInterfaces": []}
    for name in ("command", "environment", "resourceRequirements"):
        container[name] = overrides.get(name) or container.get(name, [])
    job = {
        "jobArn": world.arn("batch", f"job/{job_id}"),
        "jobName": params["jobName"],
        "jobId": job_id,
        "jobQueue": world.arn("batch", f"job-queue/{_named(params['jobQueue'])}"),
        "status": "RUNNABLE",
        "attempts": [],
        "createdAt": ms(world.clock),
        "retryStrategy": params.get("retryStrategy")
        or definition.get("retryStrategy")
        or {"attempts": 1, "evaluateOnExit": []},
        "dependsOn": params.get("dependsOn") or [],
        "jobDefinition": definition["jobDefinitionArn"],
        "parameters": {**definition["parameters"], **(params.get("parameters") or {})},
        "container": container,
        "tags": {**(params.get("tags") or {})},
        "propagateTags": False,
        "platformCapabilities": ["EC2"],
        "eksAttempts": [],
        "isCancelled": False,
        "isTerminated": False,
    }
    world.jobs[job_id] = job
    return {"jobArn": job["jobArn"], "jobName": job["jobName"], "jobId": job_id}


_SUMMARY = (
    *("jobArn", "jobId", "jobName", "createdAt", "status", "statusReason"),
    *("startedAt", "stoppedAt", "jobDefinition"),
)


@override("batch", "ListJobs")
def list_jobs(context: Context) -> Shape:
    """moto: ignores most filters, shows children beside parents, leaves out reasons.

    Newest first; a filter makes the status count for nothing; without either, RUNNING alone.
    https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
    """
    params = context.params
    found = [job for job in context.world.jobs.values() if _is_listed(job, params)]
    if params.get("filters"):
        found = [job for job in found if _passes(job, params["filters"][0])]
    else:
        status = params.get("jobStatus") or "RUNNING"
        found = [job for job in found if job["status"] == status]
    found.sort(key=lambda job: job["createdAt"], reverse=True)
    return {"jobSummaryList": [_summary(job) for job in found]}


def _is_listed(job: Shape, params: Shape) -> bool:
    parent, _, index = job["jobId"].partition(":")
    if params.get("arrayJobId"):
        return bool(index) and parent == params["arrayJobId"]
    return not index and _named(job["jobQueue"]) == _named(params.get("jobQueue", ""))


def _passes(job: Shape, condition: Shape) -> bool:
    name, values = condition["name"], condition["values"]
    if name in ("AFTER_CREATED_AT", "BEFORE_CREATED_AT"):
        is_after = job["createdAt"] > int(values[0])
        return is_after if name == "AFTER_CREATED_AT" else not is_after
    field = {"JOB_NAME": "jobName", "JOB_DEFINITION": "jobDefinition"}[name]
    return any(fnmatch.fnmatchcase(_named(job[field]).lower(), v.lower()) for v in values)


def _summary(job: Shape) -> Shape:
    summary = {name: job[name] for name in _SUMMARY if name in job}
    container = {k: job["container"][k] for k in ("exitCode", "reason") if k in job["container"]}
    if job.get("arrayProperties"):
        summary["arrayProperties"] = {
            k: v for k, v in job["arrayProperties"].items() if k in ("size", "index")
        }
    return {**summary, "container": container}


@override("batch", "DescribeJobs")
def describe_jobs(context: Context) -> Shape:
    """moto: no image, reason, exit code, instance or task in container and attempts.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html
    """
    wanted = context.params["jobs"]
    if len(wanted) > 100:
        raise AwsError("ClientException", "Maximum number of jobs is 100")
    jobs = context.world.jobs
    ids = [_named(job_id) for job_id in wanted]
    return {"jobs": [jobs[job_id] for job_id in ids if job_id in jobs]}


@override("batch", "GetJobQueueSnapshot")
def get_job_queue_snapshot(context: Context) -> Shape:
    """moto: not there.

    https://docs.aws.amazon.com/batch/latest/APIReference/API_GetJobQueueSnapshot.html
    """
    queue, world = _named(context.params["jobQueue"]), context.world
    waiting = [
        job
        for job in world.jobs.values()
        if _named(job["jobQueue"]) == queue and job["status"] == "RUNNABLE"
    ]
    front = [
        {"jobArn": job["jobArn"], "earliestTimeAtPosition": job["createdAt"]}
        for job in sorted(waiting, key=lambda job: job["createdAt"])[:100]
    ]
    return {"frontOfQueue": {"jobs": front, "lastUpdatedAt": ms(world.now)}}


# --- Amazon ECS --------------------------------------------------------------------------------


@override("ecs", "DescribeClusters")
def describe_clusters(context: Context) -> Shape:
    """moto: counts only what it registered itself.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html
    """
    answer, world = context.original(), context.world
    for cluster in answer["clusters"]:
        name = cluster["clusterName"]
        registered = [c for arn, c in world.container_instances.items() if _in_cluster(arn, name)]
        cluster["registeredContainerInstancesCount"] = len(registered)
        cluster["runningTasksCount"] = sum(c["runningTasksCount"] for c in registered)
    return answer


def _in_cluster(arn: str, cluster: str) -> bool:
    return arn.split("/")[-2] == _named(cluster)


@override("ecs", "ListContainerInstances")
def list_container_instances(context: Context) -> Shape:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListContainerInstances.html"""
    found = (
        arn
        for arn in context.world.container_instances
        if _in_cluster(arn, context.params["cluster"])
    )
    return {"containerInstanceArns": list(found)}


@override("ecs", "DescribeContainerInstances")
def describe_container_instances(context: Context) -> Shape:
    """moto: 4096 CPU units and 7482 MiB whatever the type, four attributes.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerInstance.html
    """
    found, failures = _described(
        context.world.container_instances, context.params["containerInstances"]
    )
    return {"containerInstances": found, "failures": failures}


@override("ecs", "ListTasks")
def list_tasks(context: Context) -> Shape:
    """Stopped tasks can be listed for an hour or more after they stopped.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
    """
    wanted = context.params.get("desiredStatus") or "RUNNING"
    oldest = context.world.now - timedelta(hours=1)
    found = [
        arn
        for arn, task in context.world.tasks.items()
        if _in_cluster(arn, context.params["cluster"])
        and task["desiredStatus"] == wanted
        and task.get("stoppedAt", oldest) >= oldest
    ]
    return {"taskArns": found}


@override("ecs", "DescribeTasks")
def describe_tasks(context: Context) -> Shape:
    """moto: moves a task's status on with each look, no times, no stopCode.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
    """
    found, failures = _described(context.world.tasks, context.params["tasks"])
    return {"tasks": found, "failures": failures}


def _described(known: dict[str, Shape], wanted: list[str]) -> tuple[list[Shape], list[Shape]]:
    if len(wanted) > 100:
        raise AwsError("InvalidParameterException", f"{_UNNAMED} and at most 100 ARNs")
    missing = [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in known]
    return [known[arn] for arn in wanted if arn in known], missing


# --- Amazon EC2 --------------------------------------------------------------------------------


@override("ec2", "DescribeInstances")
def describe_instances(context: Context) -> Shape:
    """moto: an extra root volume, no metadata options, none of what a launch template says.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
    """
    ids = _filtered(context.params, "instance-id") or context.params.get("InstanceIds")
    found = [i for key, i in context.world.instances.items() if ids is None or key in ids]
    return {
        "Reservations": [
            {
                "ReservationId": instance["InstanceId"].replace("i-", "r-"),
                "OwnerId": ACCOUNT,
                "Instances": [instance],
            }
            for instance in found
        ]
    }


def _filtered(params: Shape, name: str) -> list[str] | None:
    """The values of a filter; the API takes 200 of them."""
    for condition in params.get("Filters") or []:
        if len(condition["Values"]) > 200:
            raise AwsError("FilterLimitExceeded", "The maximum number of filter values is 200")
        if condition["Name"] == name:
            values: list[str] = condition["Values"]
            return values
    return None


@override("ec2", "DescribeInstanceAttribute")
def describe_instance_attribute(context: Context) -> Shape:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html"""
    instance_id = context.params["InstanceId"]
    if instance_id not in context.world.instances:
        raise AwsError(
            "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist"
        )
    data = context.world.user_data.get(instance_id)
    return {"InstanceId": instance_id, "UserData": {"Value": data} if data else {}}


@override("ec2", "DescribeVolumes")
def describe_volumes(context: Context) -> Shape:
    """moto: no throughput from a launch template.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Volume.html
    """
    instances = _filtered(context.params, "attachment.instance-id")
    return {
        "Volumes": [
            volume
            for volume in context.world.volumes.values()
            if instances is None or volume["Attachments"][0]["InstanceId"] in instances
        ]
    }


@override("ec2", "DescribeImages")
def describe_images(context: Context) -> Shape:
    """moto: every AMI was made now and has one 15 GiB volume.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-ami-storage-config.html
    """
    ids, known = context.params.get("ImageIds"), context.world.machine_images
    missing = [image_id for image_id in ids or [] if image_id not in known]
    if missing:
        named = f"'[{', '.join(missing)}]'"
        raise AwsError("InvalidAMIID.NotFound", f"The image ids {named} do not exist")
    return {"Images": [image for key, image in known.items() if ids is None or key in ids]}


@override("ec2", "DescribeLaunchTemplateVersions")
def describe_launch_template_versions(context: Context) -> Shape:
    """moto: can't list the newest and default versions of all templates at once.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplateVersions.html
    """
    params = context.params
    if params.get("LaunchTemplateId") or params.get("LaunchTemplateName"):
        return context.original()
    found = []
    for template in ec2_backends[ACCOUNT][REGION].launch_templates.values():
        versions = {template.get_version(v).number: v for v in params.get("Versions") or []}
        found += [_version(template, template.get_version(number)) for number in sorted(versions)]
    return {"LaunchTemplateVersions": found}


def _version(template: Any, version: Any) -> Shape:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": version.number,
        "VersionDescription": version.description,
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:aws:iam::{ACCOUNT}:root",
        "DefaultVersion": template.is_default(version),
        "LaunchTemplateData": version.data,
    }


# --- EC2 Auto Scaling --------------------------------------------------------------------------


@override("autoscaling", "DescribeAutoScalingGroups")
def describe_auto_scaling_groups(context: Context) -> Shape:
    """moto would launch instances of its own; ours are what Batch launched.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html
    """
    answer = context.original()
    for group in answer["AutoScalingGroups"]:
        found = context.world.group_instances.get(group["AutoScalingGroupName"], [])
        made_at = context.world.group_made_at[group["AutoScalingGroupName"]]
        group.update(Instances=found, DesiredCapacity=len(found), CreatedTime=made_at)
    return answer


@override("autoscaling", "DescribeScalingActivities")
def describe_scaling_activities(context: Context) -> Shape:
    """moto: always empty.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html
    """
    name = context.params.get("AutoScalingGroupName")
    found = context.world.activities.get(name or "", [])
    return {"Activities": sorted(found, key=lambda a: a["StartTime"], reverse=True)}


# --- Amazon ECR --------------------------------------------------------------------------------


@override("ecr", "DescribeImages")
def describe_ecr_images(context: Context) -> Shape:
    """moto: the size is the configuration's, not the sum of the compressed layers.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageDetail.html
    """
    from moto.ecr.models import ecr_backends

    answer = context.original()
    repository = ecr_backends[ACCOUNT][REGION].repositories[context.params["repositoryName"]]
    manifests = {image.get_image_digest(): image.image_manifest for image in repository.images}
    for image in answer["imageDetails"]:
        manifest = json.loads(manifests[image["imageDigest"]])
        parts = [*manifest.get("layers", []), manifest.get("config", {"size": 0})]
        image["imageSizeInBytes"] = sum(part["size"] for part in parts)
        image["imagePushedAt"] = context.world.pushed_at[image["imageDigest"]]
        image.pop("lastRecordedPullTime", None)
    answer["imageDetails"].sort(key=lambda image: image["imageDigest"])
    return answer


# --- CloudWatch, Service Quotas ----------------------------------------------------------------


@override("cloudwatch", "GetMetricData")
def get_metric_data(context: Context) -> Shape:
    """moto knows only metrics that were put, and AWS puts its own.

    https://docs.aws.amazon.com/ebs/latest/userguide/using_cloudwatch_ebs.html
    """
    queries = context.params["MetricDataQueries"]
    if len(queries) > 500:
        raise AwsError("ValidationError", "The collection MetricDataQueries must not exceed 500")
    return {"MetricDataResults": [_metric(context, query) for query in queries], "Messages": []}


def _metric(context: Context, query: Shape) -> Shape:
    stat = query["MetricStat"]
    measured, period_s = stat["Metric"], int(stat["Period"])
    volume = measured["Dimensions"][0]["Value"]
    start, end = (context.params[name].replace(tzinfo=UTC) for name in ("StartTime", "EndTime"))
    known = context.world.metrics.get((volume, measured["MetricName"]), [])
    points = [point for point in known if start <= point[0] < end]
    aggregate = {"Minimum": min, "Maximum": max, "Average": fmean}[stat["Stat"]]
    grouped = groupby(points, key=lambda point: ms(point[0]) // 1000 // period_s * period_s)
    series = [(from_ms(at * 1000), aggregate(v for _, v in group)) for at, group in grouped]
    return {
        "Id": query["Id"],
        "Label": query.get("Label", measured["MetricName"]),
        "Timestamps": [at for at, _ in series],
        "Values": [float(value) for _, value in series],
        "StatusCode": "Complete",
    }


@override("service-quotas", "GetServiceQuota")
def get_service_quota(context: Context) -> Shape:
    """moto knows the quotas of VPC alone.

    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
    """
    code = context.params["QuotaCode"]
    if code not in context.world.quotas:
        raise AwsError("NoSuchResourceException", f"The quota {code} does not exist")
    return {"Quota": context.world.quotas[code]}
