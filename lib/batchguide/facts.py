"""The tables of data/ as values: what AWS sells, limits and does by default.

Every table names the public source and the day of its numbers; `data/SOURCES.md` says how each was
made. Tables are read at the first call and kept. An empty cell is `None`: the source does not say.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from batchguide.errors import UserError
from batchguide.units import gib_from_gb, mibps_from_mbyte

_PACKAGE = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2]
_TRUTHS = {"true": True, "false": False}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What EC2 says of an instance type, in our units.

    `registered_memory_mib` is an estimate of what the ECS agent registers before
    ECS_RESERVED_MEMORY; see `registered_memory_mib()`. `gpus` counts whole GPUs: a fraction of
    one, as g6f has, is 0 here. The four `ebs_` figures are None for types that EC2 does not
    describe as EBS-optimized. `usd_per_hour` is Linux On-Demand in us-east-1.
    """

    name: str
    vcpus: int
    memory_mib: int
    registered_memory_mib: int
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
    provisioned. st1 and sc1 earn and burst in MiB/s per TiB. Prices are us-east-1's.
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
    limits_since: str | None
    earlier_limits: str | None
    evidence: str
    source: str
    as_of: str
    usd_per_gib_month: float | None = None
    usd_per_iops_month: float | None = None
    usd_per_mibps_month: float | None = None


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


def data_path(*parts: str) -> Path:
    """A file of data/, in an installed wheel as well as in a checkout."""
    return _shipped("data").joinpath(*parts)


def runbooks_path() -> Path:
    """The directory of the runbooks, in an installed wheel as well as in a checkout."""
    return _shipped("runbooks")


def registered_memory_mib(memory_mib: int) -> int:
    """What the ECS agent registers of an instance's memory, before ECS_RESERVED_MEMORY.

    The agent registers what the kernel reports as total, less than what EC2 sells.
    AWS documents one type, m4.large: 7985 of 8192 MiB. The rest is a model: the same share.

    >>> registered_memory_mib(8192)
    7985
    """
    return memory_mib * 7985 // 8192


@cache
def instance_types() -> Mapping[str, InstanceType]:
    """All EC2 instance types by name."""
    usd_per_hour: dict[str, float] = {}
    types = (
        _instance_type(row, usd_per_hour.get(row["name"])) for row in rows("instance-types.csv")
    )
    return MappingProxyType({each.name: each for each in types})


def instance_type(name: str) -> InstanceType:
    """The instance type of that name; a name that EC2 does not have is the user's error."""
    return _look_up(instance_types(), name, "instance type")


@cache
def volume_types() -> Mapping[str, VolumeType]:
    """EBS volume types by name."""
    return _by_name(VolumeType, rows("volume-types.csv"))


@cache
def ami_generations() -> Mapping[str, AmiGeneration]:
    """ECS-optimized AMI generations by name: al1, al2, al2023."""
    return _by_name(AmiGeneration, rows("ami-generations.csv"))


@cache
def agent_profiles() -> Mapping[str, AgentProfile]:
    """Named sets of ECS agent settings; a setting that a profile lacks has the agent's default."""
    listed = json.loads(data_path("agent-profiles.json").read_text(encoding="utf-8"))["profiles"]
    return MappingProxyType({each["name"]: _agent_profile(each) for each in listed})


def agent_profile(name: str) -> AgentProfile:
    """The agent profile of that name; an unknown one is the user's error."""
    return _look_up(agent_profiles(), name, "agent profile")


def rows(table: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV in data/, as text; lines that begin with `#` name its source."""
    with data_path(table).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def _shipped(directory: str) -> Path:
    packaged = _PACKAGE / directory
    return packaged if packaged.is_dir() else _CHECKOUT / directory


def _instance_type(row: Mapping[str, str], usd_per_hour: float | None) -> InstanceType:
    memory_mib = int(row["memory_mib"])
    return InstanceType(
        name=row["name"],
        vcpus=int(row["vcpus"]),
        memory_mib=memory_mib,
        registered_memory_mib=registered_memory_mib(memory_mib),
        gpus=int(row["gpus"]),
        architectures=tuple(row["architectures"].split("|")),
        ebs_baseline_mibps=_mibps(row["ebs_baseline_mbyteps"]),
        ebs_max_mibps=_mibps(row["ebs_max_mbyteps"]),
        ebs_baseline_iops=_whole(row["ebs_baseline_iops"]),
        ebs_max_iops=_whole(row["ebs_max_iops"]),
        instance_store_gib=gib_from_gb(float(row["instance_store_gb"])),
        instance_store_disks=int(row["instance_store_disks"]),
        current_generation=_TRUTHS[row["current_generation"]],
        bare_metal=_TRUTHS[row["bare_metal"]],
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


def _by_name(kind: type[Row], table: Iterator[dict[str, str]]) -> Mapping[str, Row]:
    return MappingProxyType({row["name"]: _record(kind, row) for row in table})


def _record(kind: type[Row], row: Mapping[str, str]) -> Row:
    """A row as a value of `kind`, each cell read as its field's type says."""
    types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _cell(text, types[name]) for name, text in row.items()})


def _cell(text: str, kind: str) -> str | int | float | bool | None:
    if not text and "None" in kind:
        return None
    if "float" in kind:
        return float(text)
    if "int" in kind:
        return int(text)
    return _TRUTHS[text] if "bool" in kind else text


def _look_up(table: Mapping[str, Row], name: str, noun: str) -> Row:
    if name in table:
        return table[name]
    from difflib import get_close_matches

    near = get_close_matches(str(name), table, n=3, cutoff=0.5) or list(table)[:3]
    raise UserError(f"unknown {noun} {name!r}; did you mean {' or '.join(near)}?")
