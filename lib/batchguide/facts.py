"""The tables of data/ as values: what AWS sells, limits and does by default.

Every table names the public source and the day of its numbers; `data/SOURCES.md` says how each was
made. Tables are read at the first call and kept. An empty cell is `None`: the source does not say.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from batchguide.tables import TRUTHS, by_name, data_path, look_up, record, rows, runbooks_path
from batchguide.units import gib_from_gb, mibps_from_mbyte

__all__ = [
    "AgentProfile",
    "AmiGeneration",
    "InstanceType",
    "Quota",
    "Threshold",
    "VolumeType",
    "agent_profile",
    "agent_profiles",
    "ami_generations",
    "data_path",
    "instance_type",
    "instance_types",
    "quotas",
    "registered_memory",
    "rows",
    "runbooks_path",
    "thresholds",
    "volume_type",
    "volume_types",
]


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What EC2 says of an instance type, in our units.

    `registered_memory_mib` is what the ECS agent registers before ECS_RESERVED_MEMORY, known as
    well as `registered_memory_evidence` says; see `registered_memory()`. `gpus`
    counts whole GPUs: a fraction of one, as g6f has, is 0 here. The four `ebs_` figures are None
    for types that EC2 does not describe as EBS-optimized. `usd_per_hour` is Linux On-Demand in
    us-east-1.
    """

    name: str
    vcpus: int
    memory_mib: int
    registered_memory_mib: int
    registered_memory_evidence: str
    gpus: int
    architectures: tuple[str, ...]
    ebs_baseline_mibps: float | None
    ebs_max_mibps: float | None
    ebs_baseline_iops: int | None
    ebs_max_iops: int | None
    instance_store_gib: float
    instance_store_disks: int
    current_generation: bool
    bare_metal: bool
    hypervisor: str | None
    usd_per_hour: float | None


@dataclass(frozen=True, slots=True)
class VolumeType:
    """The limits of an EBS volume type.

    gp2: `baseline_iops_per_gib` between `min_iops` and `max_iops`; `burst_iops` while its bucket
    of `credit_ios` lasts; `base_mibps` up to `burst_mibps_from_gib`, `max_mibps` from
    `full_mibps_from_gib`. gp3: `min_iops` and `base_mibps` are included in the price, more can be
    provisioned. st1 and sc1 earn `mibps_per_tib` and burst at `burst_mibps_per_tib`, both up to
    `max_mibps`, from a bucket of `credit_tib_per_tib`. Prices are us-east-1's.
    """

    name: str
    min_gib: int
    max_gib: int
    baseline_iops_per_gib: float | None
    min_iops: int | None
    max_iops: int
    burst_iops: int | None
    credit_ios: int | None
    max_iops_per_gib: float | None
    base_mibps: float | None
    max_mibps: float
    max_mibps_per_iops: float | None
    burst_mibps_from_gib: float | None
    full_mibps_from_gib: float | None
    mibps_per_tib: float | None
    burst_mibps_per_tib: float | None
    credit_tib_per_tib: float | None
    limits_since: str | None
    earlier_limits: str | None
    evidence: str
    source: str
    as_of: str
    usd_per_gib_month: float | None = None
    usd_per_iops_month: float | None = None
    usd_per_mibps_month: float | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of an AWS service; `value` is None where only the account's own value counts."""

    service: str
    name: str
    value: float | None
    unit: str
    adjustable: bool | None
    quota_code: str | None
    source: str
    as_of: str
    note: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a check judges by, and why it is this one."""

    name: str
    value: float
    unit: str
    evidence: str
    source: str
    as_of: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """ECS agent settings that stand together, as environment strings, and how they are known.

    `evidence` is that of the profile's own values: `source` (read in the agent's code),
    `documented` (by AWS) or `observed` (in published copies, not confirmed by AWS).
    """

    name: str
    title: str
    applies_to: str
    settings: Mapping[str, str]
    settings_evidence: Mapping[str, str]
    evidence: str
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class AmiGeneration:
    """How an ECS-optimized AMI lays out its disks.

    `data_device` is None where Docker writes to the root volume. `used_at_boot_gib` is what the
    root volume has in use before the first job, known as well as `used_evidence` says.
    """

    name: str
    title: str
    status: str
    root_device: str
    root_gib: int
    root_volume_type: str
    data_device: str | None
    data_gib: int | None
    data_volume_type: str | None
    data_reserve_share: float | None
    per_container_limit_gib: float | None
    storage_driver: str
    filesystem: str
    used_at_boot_gib: float
    used_evidence: str
    batch_default_from: str | None
    end_of_support_on: str
    source: str
    as_of: str


def registered_memory(
    memory_mib: int, hypervisor: str | None = "nitro", architecture: str = "x86_64"
) -> int:
    """What an ECS agent would register of so much memory, in MiB, before ECS_RESERVED_MEMORY.

    The agent registers what Linux reports as total: less than EC2 sells, because firmware and
    kernel keep a part. This line through 646 measured types is for a type that nobody measured.

    >>> registered_memory(8192)
    7834
    """
    family = "arm64" if architecture.startswith("arm64") else "x86_64"
    fixed_mib, share = _memory_model()[hypervisor or "", family]
    return max(0, round(memory_mib * (1 - share) - fixed_mib))


@cache
def instance_types() -> Mapping[str, InstanceType]:
    """All EC2 instance types by name."""
    prices = {row["name"]: float(row["usd_per_hour"]) for row in rows("instance-prices.csv")}
    types = (_instance_type(row, prices.get(row["name"])) for row in rows("instance-types.csv"))
    return MappingProxyType({each.name: each for each in types})


def instance_type(name: str) -> InstanceType:
    """The instance type of that name; a name that EC2 does not have is the user's error."""
    return look_up(instance_types(), name, "instance type")


@cache
def volume_types() -> Mapping[str, VolumeType]:
    """EBS volume types by name, with the prices of us-east-1 that a source was found for."""
    prices: dict[str, dict[str, str]] = {}
    for row in rows("volume-prices.csv"):
        prices.setdefault(row["name"], {})[f"usd_per_{row['item']}"] = row["usd"]
    return by_name(
        VolumeType, (row | prices.get(row["name"], {}) for row in rows("volume-types.csv"))
    )


def volume_type(name: str) -> VolumeType:
    """The volume type of that name; a name that EBS does not have is the user's error."""
    return look_up(volume_types(), name, "volume type")


@cache
def ami_generations() -> Mapping[str, AmiGeneration]:
    """ECS-optimized AMI generations by name: al1, al2, al2023."""
    return by_name(AmiGeneration, rows("ami-generations.csv"))


@cache
def agent_profiles() -> Mapping[str, AgentProfile]:
    """Named sets of ECS agent settings; a setting that a profile lacks has the agent's default."""
    listed = json.loads(data_path("agent-profiles.json").read_text(encoding="utf-8"))["profiles"]
    return MappingProxyType({each["name"]: _agent_profile(each) for each in listed})


def agent_profile(name: str) -> AgentProfile:
    """The agent profile of that name; an unknown one is the user's error."""
    return look_up(agent_profiles(), name, "agent profile")


@cache
def quotas() -> Mapping[tuple[str, str], Quota]:
    """Limits by service and name, as in `quotas()["batch", "array_size_max"].value`."""
    listed = (record(Quota, row) for row in rows("quotas.csv"))
    return MappingProxyType({(each.service, each.name): each for each in listed})


@cache
def thresholds() -> Mapping[str, Threshold]:
    """What checks judge by, by name."""
    return by_name(Threshold, rows("thresholds.csv"))


@cache
def _memory_model() -> Mapping[tuple[str, str], tuple[float, float]]:
    return {
        (row["hypervisor"], row["architecture"]): (float(row["fixed_mib"]), float(row["share"]))
        for row in rows("memory-model.csv")
    }


@cache
def _known_memory() -> Mapping[str, tuple[int, str]]:
    """What a named source says that ECS registered, and how the source knows."""
    return {
        row["name"]: (int(row["registered_mib"]), row["evidence"])
        for row in rows("registered-memory.csv")
    }


@cache
def _measured_overhead_mib() -> Mapping[str, int]:
    return {row["name"]: int(row["overhead_mib"]) for row in rows("memory-overhead.csv")}


def _registered_memory_of(row: Mapping[str, str]) -> tuple[int, str]:
    """The best that is known for a type: said of ECS itself, measured as Linux's total, a model."""
    name, memory_mib = row["name"], int(row["memory_mib"])
    if name in _known_memory():
        return _known_memory()[name]
    if name in _measured_overhead_mib():
        return memory_mib - _measured_overhead_mib()[name], "measured"
    return registered_memory(memory_mib, row["hypervisor"], row["architectures"]), "model"


def _instance_type(row: Mapping[str, str], usd_per_hour: float | None) -> InstanceType:
    registered_mib, evidence = _registered_memory_of(row)
    return InstanceType(
        name=row["name"],
        vcpus=int(row["vcpus"]),
        memory_mib=int(row["memory_mib"]),
        registered_memory_mib=registered_mib,
        registered_memory_evidence=evidence,
        gpus=int(row["gpus"]),
        architectures=tuple(row["architectures"].split("|")),
        ebs_baseline_mibps=_mibps(row["ebs_baseline_mbyteps"]),
        ebs_max_mibps=_mibps(row["ebs_max_mbyteps"]),
        ebs_baseline_iops=_whole(row["ebs_baseline_iops"]),
        ebs_max_iops=_whole(row["ebs_max_iops"]),
        instance_store_gib=gib_from_gb(float(row["instance_store_gb"])),
        instance_store_disks=int(row["instance_store_disks"]),
        current_generation=TRUTHS[row["current_generation"]],
        bare_metal=TRUTHS[row["bare_metal"]],
        hypervisor=row["hypervisor"] or None,
        usd_per_hour=usd_per_hour,
    )


def _mibps(mbyteps: str) -> float | None:
    return mibps_from_mbyte(float(mbyteps)) if mbyteps else None


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _agent_profile(listed: Mapping[str, Any]) -> AgentProfile:
    settings = listed["settings"]
    return AgentProfile(
        name=listed["name"],
        title=listed["title"],
        applies_to=listed["applies_to"],
        settings=MappingProxyType({each["name"]: each["value"] for each in settings}),
        settings_evidence=MappingProxyType({each["name"]: each["evidence"] for each in settings}),
        evidence=listed["evidence"],
        source=listed["source"],
        as_of=listed["as_of"],
    )
