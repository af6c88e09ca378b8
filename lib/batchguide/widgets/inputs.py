"""The inputs of the estimator: each is a widget bound to one place of a scenario's plain form.

An input writes its own place and nothing else, so that whatever a scenario holds beyond what can be
shown here (layers by digest, observed durations) stays as it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import ipywidgets as ipw

from batchguide import facts
from batchguide.disk.scenario import INSTANCE_STORE, STORAGES
from batchguide.units import show_count, show_size, show_usd
from batchguide.widgets.plain import (
    Plain,
    compressed_gib,
    distinct,
    get,
    image_gib,
    median,
    median_min,
    p95_min,
    profile_name,
    profile_settings,
    rescaled,
    whole_gib,
    with_compressed,
    with_distinct,
    with_image_gib,
    with_median,
    with_p95,
    with_type,
)
from batchguide.widgets.quantity import Quantity, round_stops

_STYLE = {"description_width": "134px"}
_HALVES = tuple(sorted(2.0**k * m for k in range(-3, 11) for m in (1, 1.5)))
_VCPUS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192)
_MINUTES = round_stops(0.1, 3000)
_FROM_ZERO = (0.0, *round_stops(0.01, 100_000))
_VOLUME_GIB = (1, 2, 4, 8, 10, 15, 20, 30, 40, 50, 60, 80, *round_stops(100, 16_000))


@dataclass(frozen=True)
class Input:
    """A widget and its place: `read` shows what stands there, `write` says what is to stand there.

    `path` is dotted (`job.vcpus`); `write` gets the widget's value and what stood there before.
    """

    path: str
    widget: Any
    read: Callable[[Any], Any] = lambda plain: plain
    write: Callable[[Any, Any], Any] = lambda value, plain: value


def job_inputs() -> list[Input]:
    """What one job asks for, how long it takes and what it writes."""
    memory = Quantity("memory, GiB", _HALVES)
    return [
        Input("job.vcpus", Quantity("vCPUs", _VCPUS)),
        Input("job.memory_mib", memory, lambda mib: mib / 1024, lambda gib, _: round(gib * 1024)),
        Input("job.duration_s", Quantity("median, min", _MINUTES), median_min, with_median),
        Input("job.duration_s", Quantity("95 of 100, min", _MINUTES), p95_min, with_p95),
        Input("job.writes_mib", Quantity("writes, MiB", _FROM_ZERO), median, rescaled),
        Input("job.logs_mib", Quantity("logs, MiB", _FROM_ZERO)),
        Input("job.scratch_cleaned", _check("deletes its files before it ends")),
    ]


def image_inputs() -> list[Input]:
    """How large the image is, and the two beliefs about how it is stored."""
    said = ("layers are shared", "a fresh copy for each job")
    stops = round_stops(0.01, 100)
    return [
        Input("image", Quantity("unpacked, GiB", stops), image_gib, with_image_gib),
        Input("image", Quantity("compressed, GiB", stops), compressed_gib, with_compressed),
        Input("image", _whole("different images", 1, 50), distinct, with_distinct),
        Input("image.storage", _choice("storage", list(zip(said, STORAGES, strict=True)))),
    ]


def instance_inputs() -> list[Input]:
    """The instance type by search, and the AMI generation that it runs."""
    search = ipw.Combobox(
        options=_every_type(),
        placeholder="type a name, as r5.2x",
        description="type",
        continuous_update=False,
        layout=_wide(),
        style=_STYLE,
    )
    amis = [(each.title.replace(" (ECS-optimized)", ""), each.name) for each in _amis()]
    return [
        Input("instance", search, _type_shown, with_type),
        Input("instance.ami", _choice("AMI", [*amis, ("custom", "custom")])),
    ]


def volume_inputs() -> list[Input]:
    """The volume that Docker writes to; the estimator hides the fields that a type lacks."""
    kinds = [*facts.volume_types(), INSTANCE_STORE]
    size = Quantity("size, GiB", _VOLUME_GIB, low=1)
    return [
        Input("volume.type", _choice("type", kinds)),
        Input("volume.size_gib", size, write=whole_gib),
        Input("volume.used_gib", _number("used at boot, GiB", 0, 1000)),
        Input("volume.iops", _number("IOPS", 1, 256_000, whole=True), _or(3000)),
        Input("volume.throughput_mibps", _number("throughput, MiB/s", 1, 4000), _or(125)),
    ]


def agent_inputs() -> list[Input]:
    """The agent's profile and the settings that matter most; a setting left alone follows it."""
    profiles = [(each.name, each.name) for each in facts.agent_profiles().values()]
    settings = (
        ("task_cleanup_wait_s", Quantity("container wait, min", _MINUTES), 60),
        ("image_cleanup_interval_s", Quantity("image cycle, min", round_stops(10, 10_000)), 60),
        ("image_minimum_cleanup_age_s", Quantity("image age, min", _MINUTES), 60),
        ("images_deleted_per_cycle", _whole("images a cycle", 1, 100), 1),
    )
    return [
        Input(
            "agent", _choice("profile", profiles), profile_name, lambda name, _: {"profile": name}
        ),
        *(_setting(name, widget, unit) for name, widget, unit in settings),
    ]


def fleet_inputs() -> list[Input]:
    """How many instances there are, and whether Batch asks for more."""
    modes = [("a fixed number", "never"), ("as Batch scales", "on-demand")]
    return [
        Input("fleet.scale_out", _choice("instances are", modes)),
        Input("fleet.instances", _whole("at the start", 0, 100), _or(1)),
        Input("fleet.boot_s", _number("boot, s", 0, 86_400)),
        Input("fleet.max_vcpus", _number("most vCPUs", 0, 1_000_000, whole=True)),
        Input("fleet.idle_s", _number("idle before it goes, s", 0, 1e6)),
        Input("pull_mibps", Quantity("pull, MiB/s", round_stops(1, 10_000))),
        Input("attempts", _whole("attempts", 1, 10)),
        Input("seed", _number("seed", 0, 2**31, whole=True)),
    ]


@cache
def _every_type() -> tuple[str, ...]:
    return tuple(instance_words(name) for name in facts.instance_types())


def instance_words(name: str) -> str:
    """An instance type with what one chooses it by.

    >>> instance_words("m5.large")
    'm5.large · 2 vCPUs · 8 GiB · $0.096/h'
    """
    it = facts.instance_type(name)
    price = f" · {show_usd(it.usd_per_hour)}/h" if it.usd_per_hour is not None else ""
    return f"{name} · {show_count(it.vcpus, 'vCPU')} · {show_size(it.memory_mib / 1024)}{price}"


def instance_limits(name: str) -> str:
    """What an instance type gives beyond its headline: memory that jobs get, and its way to EBS."""
    it = facts.instance_type(name)
    parts = [f"{show_size(it.registered_memory_mib / 1024)} for jobs"]
    if it.ebs_max_mibps is not None and it.ebs_baseline_mibps is not None:
        burst = it.ebs_max_mibps > it.ebs_baseline_mibps
        upto = f" (bursts to {it.ebs_max_mibps:,.0f})" if burst else ""
        parts.append(f"EBS {it.ebs_baseline_mibps:,.0f} MiB/s{upto}")
    if it.instance_store_gib:
        parts.append(f"instance store {show_size(it.instance_store_gib)}")
    return ", ".join(parts)


def _wide() -> Any:
    """A layout of its own for each widget: a shared one would hide all with one."""
    return ipw.Layout(width="auto", min_width="0", flex="0 0 auto")


def _whole(label: str, low: int, high: int) -> Any:
    return ipw.IntSlider(description=label, min=low, max=high, layout=_wide(), style=_STYLE)


def _number(label: str, low: float, high: float, whole: bool = False) -> Any:
    kind = ipw.BoundedIntText if whole else ipw.BoundedFloatText
    return kind(description=label, min=low, max=high, layout=_wide(), style=_STYLE)


def _choice(label: str, options: list[Any]) -> Any:
    return ipw.Dropdown(description=label, options=options, layout=_wide(), style=_STYLE)


def _check(label: str) -> Any:
    return ipw.Checkbox(description=label, indent=False, layout=_wide())


def _amis() -> list[facts.AmiGeneration]:
    return list(facts.ami_generations().values())


def _type_shown(instance: Any) -> str:
    name = get(instance, "type")
    return instance_words(name) if name else ""


def _setting(name: str, widget: Any, unit: int) -> Input:
    def read(agent: Any) -> float:
        own = get(agent, name)
        value = getattr(profile_settings(profile_name(agent)), name) if own is None else own
        return float(value / unit)

    def write(value: float, agent: Plain) -> Plain:
        chosen = round(value * unit)
        kept = {key: held for key, held in agent.items() if key != name}
        follows = chosen == getattr(profile_settings(profile_name(agent)), name)
        return kept if follows else {**kept, name: chosen}

    return Input("agent", widget, read, write)


def _or(default: float) -> Callable[[Any], Any]:
    return lambda plain: default if plain is None else plain
