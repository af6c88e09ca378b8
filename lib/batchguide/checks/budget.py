"""How many containers an instance takes, and what of a volume is left for each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment, JobShape, Workload, fleet_of
from batchguide.account.memo import once_an_environment
from batchguide.account_scenario import Footprint, footprint_of
from batchguide.facts import InstanceType

# https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html: since 2025-11-01
# `optimal` means the same as default_x86_64.
ALIASES = {"optimal": "x86_64", "default_x86_64": "x86_64", "default_arm64": "arm64"}
_GENERAL = re.compile(r"[cmr]\d+[agi]?\.")  # c, m and r families without network or disk variants
MANAGED_PROFILE = "batch-managed"


@dataclass(frozen=True, slots=True)
class Density:
    """The most containers of one job shape that an allowed instance type takes."""

    type: InstanceType
    shape: JobShape
    containers: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """The instance types that an environment may launch; `unknown` are names nobody knows."""

    types: tuple[InstanceType, ...]
    unknown: tuple[str, ...]
    families: bool  # whether any name stands for several sizes


@once_an_environment
def allowed_types(account: Account, env: ComputeEnvironment) -> Allowed:
    """By the names in the environment; of an unmanaged one, the types that run."""
    if env.instance_types:
        return _expanded(env.instance_types)
    types = {each.type for each in fleet_of(account, env).instances if each.type}
    return _expanded(tuple(sorted(types)))


@cache
def _expanded(names: tuple[str, ...]) -> Allowed:
    found: dict[str, InstanceType] = {}
    unknown = []
    for name in names:
        types = _named(name)
        found |= {each.name: each for each in types}
        if not types:
            unknown.append(name)
    families = any("." not in name for name in names)
    return Allowed(tuple(found.values()), tuple(unknown), families)


def _named(name: str) -> list[InstanceType]:
    every = facts.instance_types()
    if "." in name:
        return [every[name]] if name in every else []
    sizes = [each for each in every.values() if not each.bare_metal]
    if name in ALIASES:
        return [
            each
            for each in sizes
            if each.current_generation
            and ALIASES[name] in each.architectures
            and _GENERAL.match(each.name)
        ]
    return [each for each in sizes if each.name.startswith(f"{name}.")]


def containers_on(type_: InstanceType, shape: JobShape) -> int:
    """How many jobs of a shape ECS places on an instance: vCPUs, memory and GPUs, never disk."""
    reserved = int(facts.agent_profile(MANAGED_PROFILE).settings["ECS_RESERVED_MEMORY"])
    by_memory = (type_.registered_memory_mib - reserved) // shape.memory_mib
    count = min(int(type_.vcpus / shape.vcpus), by_memory)
    return min(count, type_.gpus // shape.gpus) if shape.gpus else count


def densest(types: Iterable[InstanceType], shapes: Iterable[JobShape]) -> Density | None:
    """The pair of type and shape with the most containers; None when nothing fits anywhere."""
    known = list(types)
    pairs = (
        Density(type_, shape, containers_on(type_, shape)) for shape in shapes for type_ in known
    )
    best = max(pairs, key=lambda pair: pair.containers, default=None)
    return best if best is not None and best.containers > 0 else None


def densest_of(account: Account, env: ComputeEnvironment, workload: Workload) -> Density | None:
    """The densest packing that an environment allows its jobs."""
    return densest(allowed_types(account, env).types, workload.shapes)


def left_for_each_gib(size_gib: float, images: Footprint, containers: int) -> float:
    """What of a volume each container may write, with operating system, images, logs and room."""
    limits = facts.thresholds()
    kept = limits["os_gib"].value + limits["logs_gib"].value + images.gib
    free = size_gib * (1 - limits["min_free_share"].value) - kept
    return free / containers


__all__ = [
    "Allowed",
    "Density",
    "allowed_types",
    "containers_on",
    "densest",
    "densest_of",
    "footprint_of",
    "left_for_each_gib",
]
