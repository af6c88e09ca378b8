"""Settings of the ECS agent, read as the agent reads them.

Follows `agent/config/config.go`, `agent/config/config_unix.go` and `agent/config/parse.go` of
aws/amazon-ecs-agent at commit 8dfceca6cf380a83c3007349317566f2862f0673 (version 1.105.1). Defaults
and limits stand in `data/`; here stands what the agent does with a value that it can't use.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from batchguide import facts

PULL_BEHAVIORS: Final = ("default", "always", "once", "prefer-cached")

_NS_BY_UNIT: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_INT64_MAX: Final = 2**63 - 1


def parse_go_duration_s(text: str) -> float | None:
    """What Go's `time.ParseDuration` makes of it, in seconds; None where Go reports an error.

    A number needs a unit, only `0` goes without. Finer than a nanosecond is cut off.

    >>> [parse_go_duration_s(text) for text in ("1h30m", "-1.5s", "0", "10", "1 m", "")]
    [5400.0, -1.5, 0.0, None, None, None]
    """
    negative = text[:1] == "-"
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    total_ns = _sum_of_parts_ns(rest)
    if total_ns is None or total_ns > _INT64_MAX + negative:
        return None
    return (-total_ns if negative else total_ns) / 1e9


def _sum_of_parts_ns(text: str) -> int | None:
    total_ns, position = 0, 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        if part is None or not (part[1] or part[2]) or part[3] not in _NS_BY_UNIT:
            return None
        unit_ns, fraction = _NS_BY_UNIT[part[3]], part[2] or ""
        total_ns += int(part[1] or 0) * unit_ns + int(fraction or 0) * unit_ns // 10 ** len(
            fraction
        )
        position = part.end()
    return total_ns if position else None


def parse_go_bool(text: str) -> bool | None:
    """What Go's `strconv.ParseBool` makes of the trimmed text; None where Go reports an error."""
    stripped = text.strip()
    if stripped in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    return False if stripped in ("0", "f", "F", "FALSE", "false", "False") else None


def _parse_go_int(text: str) -> int:
    """`strconv.Atoi`: 0 for what is no number, the nearest 64-bit number for one out of range."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        return 0
    return max(-_INT64_MAX - 1, min(_INT64_MAX, int(text)))


def _parse_go_uint16(text: str) -> int:
    """`strconv.ParseUint(…, 10, 16)`: 0 for what does not fit, and no sign is allowed."""
    value = int(text) if re.fullmatch(r"[0-9]+", text) else 0
    return value if value < 2**16 else 0


@dataclass(frozen=True)
class AgentSettings:
    """The effective settings of one agent that bear on disk, images, and Docker's time limits.

    `excluded_images` also protects images that the agent tracks, whatever the variable's name
    (`ECS_EXCLUDE_UNTRACKED_IMAGE`) says. A number may lie outside what `from_env` can yield, so
    that a rule can be tried beyond what the agent accepts.
    """

    task_cleanup_wait_s: float
    task_cleanup_wait_jitter_s: float
    image_cleanup_disabled: bool
    image_cleanup_interval_s: float
    image_minimum_cleanup_age_s: float
    images_deleted_per_cycle: int
    untracked_image_cleanup_enabled: bool
    untracked_image_minimum_age_s: float
    untracked_containers_deleted_per_cycle: int
    excluded_images: tuple[str, ...]
    pull_behavior: str
    pull_dependent_containers_upfront: bool
    image_pull_inactivity_timeout_s: float
    image_pull_timeout_s: float
    manifest_pull_timeout_s: float
    container_create_timeout_s: float
    container_start_timeout_s: float
    container_stop_timeout_s: float
    reserved_memory_mib: int
    metrics_disabled: bool
    poll_metrics: bool
    polling_metrics_wait_s: float

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> "AgentSettings":
        """The agent's settings when its environment (`/etc/ecs/ecs.config`) holds these variables.

        A value that does not parse, and zero, mean "not set" and take the default.

        >>> AgentSettings.from_env({"ECS_IMAGE_CLEANUP_INTERVAL": "1m"}).image_cleanup_interval_s
        1800.0
        """
        values: dict[str, Any] = {
            field: _effective_value(known_settings()[variable], variables)
            for variable, field in FIELD_OF_VARIABLE.items()
        }
        return cls(**values)

    @classmethod
    def of_profile(cls, profile: facts.AgentProfile, **changes: Any) -> "AgentSettings":
        """A profile's settings, with some fields set to other values."""
        return replace(cls.from_env(profile.settings), **changes)


FIELD_OF_VARIABLE: Final = {
    "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "task_cleanup_wait_s",
    "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER": "task_cleanup_wait_jitter_s",
    "ECS_DISABLE_IMAGE_CLEANUP": "image_cleanup_disabled",
    "ECS_IMAGE_CLEANUP_INTERVAL": "image_cleanup_interval_s",
    "ECS_IMAGE_MINIMUM_CLEANUP_AGE": "image_minimum_cleanup_age_s",
    "ECS_NUM_IMAGES_DELETE_PER_CYCLE": "images_deleted_per_cycle",
    "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP": "untracked_image_cleanup_enabled",
    "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE": "untracked_image_minimum_age_s",
    "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE": "untracked_containers_deleted_per_cycle",
    "ECS_EXCLUDE_UNTRACKED_IMAGE": "excluded_images",
    "ECS_IMAGE_PULL_BEHAVIOR": "pull_behavior",
    "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT": "pull_dependent_containers_upfront",
    "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT": "image_pull_inactivity_timeout_s",
    "ECS_IMAGE_PULL_TIMEOUT": "image_pull_timeout_s",
    "ECS_MANIFEST_PULL_TIMEOUT": "manifest_pull_timeout_s",
    "ECS_CONTAINER_CREATE_TIMEOUT": "container_create_timeout_s",
    "ECS_CONTAINER_START_TIMEOUT": "container_start_timeout_s",
    "ECS_CONTAINER_STOP_TIMEOUT": "container_stop_timeout_s",
    "ECS_RESERVED_MEMORY": "reserved_memory_mib",
    "ECS_DISABLE_METRICS": "metrics_disabled",
    "ECS_POLL_METRICS": "poll_metrics",
    "ECS_POLLING_METRICS_WAIT_DURATION": "polling_metrics_wait_s",
}


@dataclass(frozen=True)
class KnownSetting:
    """A setting as the agent's source declares it; texts are as they stand in `ecs.config`."""

    name: str
    kind: str
    default: str
    minimum: str
    maximum: str
    out_of_range: str
    since: str
    source: str
    as_of: str


@cache
def known_settings() -> Mapping[str, KnownSetting]:
    """The agent's settings by variable, and its constants by their name in Go."""
    listed = (KnownSetting(**row) for row in facts.rows("agent-settings.csv"))
    return MappingProxyType({setting.name: setting for setting in listed})


def constant_s(name: str) -> float:
    """A duration that stands in the agent's source and can't be configured."""
    seconds = parse_go_duration_s(known_settings()[name].default)
    if seconds is None:
        raise ValueError(f"{name} is no duration: {known_settings()[name].default!r}")
    return seconds


def constant_count(name: str) -> int:
    """A number that stands in the agent's source and can't be configured."""
    return int(known_settings()[name].default)


def _effective_value(setting: KnownSetting, variables: Mapping[str, str]) -> Any:
    default = _parsed(setting.kind, setting.default)
    value = _parsed(setting.kind, variables.get(setting.name, "")) or default
    if setting.out_of_range == "nearest":  # the limits hold only where the setting has an effect
        polls = parse_go_bool(variables.get("ECS_POLL_METRICS", ""))
        return _within_limits(setting, value) if polls else value
    return _within_limits(setting, value)


def _within_limits(setting: KnownSetting, value: Any) -> Any:
    if setting.minimum and value < (minimum := _parsed(setting.kind, setting.minimum)):
        return (
            _parsed(setting.kind, setting.default) if setting.out_of_range == "default" else minimum
        )
    if setting.maximum and value > (maximum := _parsed(setting.kind, setting.maximum)):
        return maximum
    return value


def _parsed(kind: str, text: str) -> Any:
    """The value, or one that is false for what is empty, zero or can't be used."""
    if kind == "duration":
        return parse_go_duration_s(text) or 0.0
    if kind == "flag":
        return bool(parse_go_bool(text))
    if kind == "names":
        return tuple(text.split(",")) if text else ()
    if kind == "pull-behavior":
        return text if text in PULL_BEHAVIORS else ""
    return _parse_go_uint16(text) if kind == "uint16" else _parse_go_int(text)
