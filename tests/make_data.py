"""Writes the generated tables of data/ anew from public sources (see data/SOURCES.md).

Run with the development environment: `python tests/make_data.py instance-types`.
"""

import csv
import gzip
import json
import sys
from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
MOTO_AS_OF = "2026-09-24"
"""The table carries no date; the newest AMI in the release's sibling tables is of this day."""
TYPES_COLUMNS = (
    "name",
    "vcpus",
    "memory_mib",
    "gpus",
    "architectures",
    "hypervisor",
    "bare_metal",
    "current_generation",
    "ebs_baseline_mbyteps",
    "ebs_max_mbyteps",
    "ebs_baseline_iops",
    "ebs_max_iops",
    "instance_store_gb",
    "instance_store_disks",
)


def write_table(
    name: str, source: str, as_of: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]
) -> None:
    """A table whose rows all have one source: it stands once, in lines that begin with `#`."""
    with (DATA / name).open("w", newline="", encoding="utf-8") as file:
        file.write(f"# source: {source}\n# as_of: {as_of}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def instance_type_row(name: str, described: dict[str, Any]) -> list[Any]:
    """One DescribeInstanceTypes record in our columns, in AWS's own units."""
    ebs = described["EbsInfo"].get("EbsOptimizedInfo", {})
    store = described.get("InstanceStorageInfo", {})
    gpus = described.get("GpuInfo", {}).get("Gpus", [])
    return [
        name,
        described["VCpuInfo"]["DefaultVCpus"],
        described["MemoryInfo"]["SizeInMiB"],
        sum(gpu["Count"] for gpu in gpus),
        "|".join(described["ProcessorInfo"]["SupportedArchitectures"]),
        described.get("Hypervisor", ""),
        str(described["BareMetal"]).lower(),
        str(described["CurrentGeneration"]).lower(),
        _plain(ebs.get("BaselineThroughputInMBps", "")),
        _plain(ebs.get("MaximumThroughputInMBps", "")),
        ebs.get("BaselineIops", ""),
        ebs.get("MaximumIops", ""),
        store.get("TotalSizeInGB", 0),
        sum(disk["Count"] for disk in store.get("Disks", [])),
    ]


def _plain(number: float | str) -> str:
    return str(number).removesuffix(".0")


def instance_types() -> None:
    """data/instance-types.csv from the installed moto (Apache-2.0)."""
    packed = files("moto").joinpath("ec2/resources/instance_types.json.gz").read_bytes()
    described = json.loads(gzip.decompress(packed))
    source = (
        f"https://github.com/getmoto/moto/blob/{version('moto')}"
        "/moto/ec2/resources/instance_types.json.gz"
    )
    rows = [instance_type_row(name, described[name]) for name in sorted(described)]
    write_table("instance-types.csv", source, MOTO_AS_OF, TYPES_COLUMNS, rows)


TABLES = {"instance-types": instance_types}

if __name__ == "__main__":
    for table in sys.argv[1:] or TABLES:
        TABLES[table]()
