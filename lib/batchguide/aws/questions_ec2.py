"""Questions to EC2 Auto Scaling, EC2 and CloudWatch: from the groups to their volumes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from batchguide.aws.known import Known, Params, batches, iso

# DescribeClusters, DescribeContainerInstances, DescribeTasks
EC2_FILTER_VALUES = 200
METRIC_QUERIES = 500  # GetMetricData
# BatchGetImage, DescribeImages
METRIC_PERIOD_S = 3600
USER_DATA_PER_GROUP = 50


def _filter(name: str, values: Iterable[str]) -> Iterator[Params]:
    for batch in batches(values, EC2_FILTER_VALUES):
        yield {"Filters": [{"Name": name, "Values": batch}]}


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
            "StartTime": iso(known.since),
            "EndTime": iso(known.now),
            "ScanBy": "TimestampAscending",
        }


def _metric(volume: str, metric: str, statistic: str) -> dict[str, Any]:
    dimension = {"Name": "VolumeId", "Value": volume}
    measured = {"Namespace": "AWS/EBS", "MetricName": metric, "Dimensions": [dimension]}
    return {
        "MetricStat": {"Metric": measured, "Period": METRIC_PERIOD_S, "Stat": statistic},
        "Label": f"{volume} {metric} {statistic}",
    }
