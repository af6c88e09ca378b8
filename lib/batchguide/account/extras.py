"""What ECR, CloudWatch, EventBridge and others answered: images, metrics, rules, activities."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from batchguide.account.answers import Answers
from batchguide.account.fields import (
    Fields,
    gib_of_bytes,
    inner,
    instant,
    rows,
    text,
    texts,
    whole,
)
from batchguide.account.model_extras import (
    Cluster,
    ContainerImage,
    Metric,
    Rule,
    ScalingActivity,
)

_Layers = tuple[tuple[str, float], ...]  # digest and compressed size, the lowest first
_Key = tuple[str, str]  # repository and digest


def container_images(answers: Answers) -> Iterator[ContainerImage]:
    """Images in ECR with their compressed size, and their layers where the manifest was read."""
    manifests, named = _manifests(answers)
    for where, row in answers.rows("ecr", "DescribeImages", "imageDetails"):
        repository, digest = text(row, "repositoryName"), text(row, "imageDigest")
        if repository is None or digest is None:
            answers.note_odd(where, "an image without repository and digest")
            continue
        layers = _layers(manifests, (repository, digest))
        tags = (*texts(row, "imageTags"), *named.get((repository, digest), ()))
        yield ContainerImage(
            where=where,
            registry=text(row, "registryId"),
            repository=repository,
            digest=digest,
            tags=tuple(dict.fromkeys(tags)),
            compressed_gib=gib_of_bytes(row, "imageSizeInBytes")
            or sum(size for _, size in layers)
            or None,
            layers_gib=layers,
            architectures=_architectures(manifests.get((repository, digest), {})),
        )


def _manifests(answers: Answers) -> tuple[dict[_Key, Fields], dict[_Key, tuple[str, ...]]]:
    """Manifests, and the tags by which they were asked for, by repository and digest."""
    manifests: dict[_Key, Fields] = {}
    named: dict[_Key, tuple[str, ...]] = defaultdict(tuple)
    for where, row in answers.rows("ecr", "BatchGetImage", "images"):
        repository, id = text(row, "repositoryName"), inner(row, "imageId")
        digest, tag = text(id, "imageDigest"), text(id, "imageTag")
        if repository is None or digest is None:
            answers.note_odd(where, "a manifest without repository and digest")
            continue
        named[repository, digest] += (tag,) if tag else ()
        manifest = _json(row.get("imageManifest"))
        if manifest is not None:
            manifests[repository, digest] = manifest
    return manifests, named


def _layers(manifests: dict[_Key, Fields], key: _Key) -> _Layers:
    """An image's layers; of an image for several platforms, those of the largest one."""
    manifest = manifests.get(key, {})
    children = [
        manifests.get((key[0], text(each, "digest") or ""), {})
        for each in rows(manifest, "manifests")
    ]
    listed = [tuple(_layers_of(each)) for each in (manifest, *children)]
    return max(listed, key=lambda layers: sum(size for _, size in layers))


def _architectures(manifest: Fields) -> tuple[str, ...]:
    """What an image is built for, in Docker's words; attestations are for `unknown`."""
    named = (text(inner(each, "platform"), "architecture") for each in rows(manifest, "manifests"))
    return tuple(dict.fromkeys(each for each in named if each and each != "unknown"))


def _layers_of(manifest: Fields) -> Iterator[tuple[str, float]]:
    for each in rows(manifest, "layers"):
        digest, size_gib = text(each, "digest"), gib_of_bytes(each, "size")
        if digest and size_gib:
            yield digest, size_gib


def _json(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, str):
        return None
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def metrics(answers: Answers) -> Iterator[Metric]:
    """The series of volumes; which volume a series is of stands in the question."""
    calls = answers.calls("cloudwatch", "GetMetricData")
    asked = [_questions(call.params) for call in calls]
    for where, row in answers.rows("cloudwatch", "GetMetricData", "MetricDataResults"):
        question = asked[where.call].get(text(row, "Id") or "")
        if question is None:
            answers.note_odd(where, "a series that was not asked for")
            continue
        values = row.get("Values")
        yield Metric(
            where=where,
            volume_id=question[0],
            name=question[1],
            stat=question[2],
            values=tuple(
                float(each)
                for each in (values if isinstance(values, list) else ())
                if isinstance(each, int | float)
                and not isinstance(each, bool)
                and math.isfinite(each)
            ),
        )


def _questions(params: Fields) -> dict[str, tuple[str, str, str | None]]:
    """Volume, metric and statistic by the id that the answer repeats."""
    found = {}
    for query in rows(params, "MetricDataQueries"):
        stat = inner(query, "MetricStat")
        metric = inner(stat, "Metric")
        dimensions = {
            text(each, "Name"): text(each, "Value") for each in rows(metric, "Dimensions")
        }
        id, name, volume = text(query, "Id"), text(metric, "MetricName"), dimensions.get("VolumeId")
        if id and name and volume:
            found[id] = (volume, name, text(stat, "Stat"))
    return found


def clusters(answers: Answers) -> Iterator[Cluster]:
    """ECS clusters."""
    for where, row in answers.rows("ecs", "DescribeClusters", "clusters"):
        arn = text(row, "clusterArn")
        if arn is None:
            answers.note_odd(where, "a cluster without an ARN")
            continue
        yield Cluster(where, arn, whole(row, "activeServicesCount"))


def scaling_activities(answers: Answers) -> Iterator[ScalingActivity]:
    """What Auto Scaling did lately."""
    for where, row in answers.rows("autoscaling", "DescribeScalingActivities", "Activities"):
        group = text(row, "AutoScalingGroupName")
        if group is None:
            answers.note_odd(where, "an activity without its Auto Scaling group")
            continue
        yield ScalingActivity(
            where=where,
            group=group,
            launches=not (text(row, "Description") or "").startswith("Terminating"),
            status=text(row, "StatusCode"),
            message=text(row, "StatusMessage"),
            started_at=instant(row, "StartTime"),
        )


def rules(answers: Answers) -> Iterator[Rule]:
    """EventBridge rules with the ARNs of their targets; None where targets were not answered."""
    targets = _targets(answers)
    calls = answers.calls("events", "ListRules")
    for where, row in answers.rows("events", "ListRules", "Rules"):
        name = text(row, "Name")
        if name is None:
            answers.note_odd(where, "a rule without a name")
            continue
        bus = text(row, "EventBusName") or text(calls[where.call].params, "EventBusName")
        yield Rule(
            where=where,
            name=name,
            bus=bus,
            enabled=(text(row, "State") or "").startswith("ENABLED"),
            pattern=_json(row.get("EventPattern")),
            target_arns=targets.get((bus or "default", name)),
        )


def _targets(answers: Answers) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for call in answers.calls("events", "ListTargetsByRule"):
        rule, bus = text(call.params, "Rule"), text(call.params, "EventBusName") or "default"
        if rule and not call.error and all(isinstance(p.get("Targets"), list) for p in call.pages):
            found[bus, rule] += ()
    for where, row in answers.rows("events", "ListTargetsByRule", "Targets"):
        params = answers.calls("events", "ListTargetsByRule")[where.call].params
        rule, bus = text(params, "Rule"), text(params, "EventBusName") or "default"
        arn = text(row, "Arn")
        if arn is None:
            answers.note_odd(where, "a target without an ARN")
            found.pop((bus, rule or ""), None)
        elif rule:
            found[bus, rule] += (arn,)
    return dict(found)
