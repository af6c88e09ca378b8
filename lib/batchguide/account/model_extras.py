"""Images in ECR, series of CloudWatch and rules of EventBridge, as frozen values in our units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batchguide.account.answers import Where


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """An image in ECR; sizes are compressed, as ECR gives them, layers by digest."""

    where: Where
    registry: str | None
    repository: str
    digest: str
    tags: tuple[str, ...]
    compressed_gib: float | None
    layers_gib: tuple[tuple[str, float], ...]
    architectures: tuple[str, ...]  # of an image for several platforms; else empty


@dataclass(frozen=True, slots=True)
class Cluster:
    """An ECS cluster; Batch puts tasks on it, and never services."""

    where: Where
    arn: str
    active_services: int | None


@dataclass(frozen=True, slots=True)
class ScalingActivity:
    """What Auto Scaling did, or could not do; `launches` tells it from a scale-in."""

    where: Where
    group: str
    launches: bool
    status: str | None
    message: str | None
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A CloudWatch series of one volume."""

    where: Where
    volume_id: str
    name: str
    stat: str | None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """An EventBridge rule; `pattern` is None when it has none (a schedule) or can't be read."""

    where: Where
    name: str
    bus: str | None
    enabled: bool
    pattern: dict[str, Any] | None
    target_arns: tuple[str, ...] | None
