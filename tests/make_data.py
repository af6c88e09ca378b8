"""Writes the generated tables of data/ anew from public sources (see data/SOURCES.md).

Run in the development environment; the two that read Karpenter's generated Go files take a clone:

    python tests/make_data.py instance-types
    python tests/make_data.py instance-prices memory-overhead memory-model --karpenter CLONE
"""

import argparse
import csv
import gzip
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from statistics import linear_regression
from typing import Any

DATA = Path(__file__).parents[1] / "data"
MOTO_AS_OF = "2026-09-24"
"""The table carries no date; the newest AMI in the release's sibling tables is of this day."""
KARPENTER = "https://github.com/aws/karpenter-provider-aws/blob"
PRICES_COMMIT = "6fc13b5236fd04fd16ff3f9dc7490d0813994099"
PRICES_FILE = "pkg/providers/pricing/zz_generated.pricing_aws.go"
PRICES_REGION = "us-east-1"
OVERHEAD_COMMIT = "33450d8f82ded870ce65fbde3cec14dbb2c04f50"
OVERHEAD_FILE = "pkg/providers/instancetype/zz_generated.memory_overhead.go"
OVERHEAD_AS_OF = "2023-09-03"
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


def read_table(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


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


def instance_prices(clone: Path) -> None:
    """data/instance-prices.csv: Linux On-Demand, from the table that Karpenter ships."""
    text = _go_file(clone, PRICES_COMMIT, PRICES_FILE)
    as_of = re.search(rf"generated at (\S+?)T\S+ for {PRICES_REGION}", text)
    region = re.search(rf'"{PRICES_REGION}": {{(.*?)\n\t}},', text, re.DOTALL)
    if as_of is None or region is None:
        raise SystemExit(f"{PRICES_FILE} is not of the form this script reads")
    prices = re.findall(r'"([a-z0-9.-]+)": ([0-9.]+)', region[1])
    rows = [(name, f"{float(usd):.6f}".rstrip("0").rstrip(".")) for name, usd in sorted(prices)]
    source = f"{KARPENTER}/{PRICES_COMMIT}/{PRICES_FILE}"
    write_table("instance-prices.csv", source, as_of[1], ("name", "usd_per_hour"), rows)


def memory_overhead(clone: Path) -> None:
    """data/memory-overhead.csv: what EC2 sells less what Linux reports, as Karpenter measured."""
    text = _go_file(clone, OVERHEAD_COMMIT, OVERHEAD_FILE)
    rows = sorted(re.findall(r'"([a-z0-9.-]+)":\s+(\d+),', text))
    source = f"{KARPENTER}/{OVERHEAD_COMMIT}/{OVERHEAD_FILE}"
    write_table("memory-overhead.csv", source, OVERHEAD_AS_OF, ("name", "overhead_mib"), rows)


def memory_model(_: Path | None = None) -> None:
    """data/memory-model.csv: a line through the measured overheads, for types never measured.

    Weighted so that it is the overhead's share of the memory that is off by little.
    """
    types = {row["name"]: row for row in read_table("instance-types.csv")}
    points: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in read_table("memory-overhead.csv"):
        if sold := types.get(row["name"]):
            family = "arm64" if "arm64" in sold["architectures"] else "x86_64"
            point = int(sold["memory_mib"]), int(row["overhead_mib"])
            points.setdefault((sold["hypervisor"], family), []).append(point)
    rows = [(*kind, *_fitted(measured)) for kind, measured in sorted(points.items())]
    columns = ("hypervisor", "architecture", "fixed_mib", "share", "types", "p90_error_share")
    source = f"{KARPENTER}/{OVERHEAD_COMMIT}/{OVERHEAD_FILE}"
    write_table("memory-model.csv", source, OVERHEAD_AS_OF, columns, rows)


def _fitted(points: list[tuple[int, int]]) -> tuple[float, float, int, float]:
    """Least squares of overhead/memory = share + fixed/memory, and the error of the worst tenth."""
    inverse = [1 / memory for memory, _ in points]
    shares = [overhead / memory for memory, overhead in points]
    fixed, share = linear_regression(inverse, shares)
    errors = sorted(abs(share + fixed * x - y) for x, y in zip(inverse, shares, strict=True))
    p90 = errors[len(errors) * 9 // 10]
    return round(fixed, 1), round(share, 5), len(points), round(p90, 4)


def _go_file(clone: Path, commit: str, path: str) -> str:
    command = ["git", "-C", str(clone), "show", f"{commit}:{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


TABLES = {
    "instance-types": lambda _: instance_types(),
    "instance-prices": instance_prices,
    "memory-overhead": memory_overhead,
    "memory-model": memory_model,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+", choices=TABLES)
    parser.add_argument("--karpenter", type=Path, help="a clone of aws/karpenter-provider-aws")
    arguments = parser.parse_args()
    for table in arguments.tables:
        TABLES[table](arguments.karpenter)
