"""The measurements of a real Docker Engine in tests/cases/docker, as values for tests."""

import csv
from functools import cache
from pathlib import Path

from batchguide.disk.pull import Layer, files_gib
from batchguide.units import gib

CASES = Path(__file__).parent / "cases" / "docker"
FILE_SYSTEMS = ("ext4", "xfs")

# Blobs that can be told from differences between pulls (b_repull: gz_new_layers, tmp_peak).
COMPRESSED_BYTES = {
    "bb.tar": 1_064_743,
    "o_app.tar": 90_222_592,
    "r_app2.tar": 60_153_856,
    "r_app1.tar": 579_303_825 - 613_115_533 + 60_153_856,
    "r_cfg.tar": 300,
}
BELOW_APP_BYTES = 312_107_694 - 90_222_592  # base, python and gcc together
RANDOM_GROWS = 268_548_334 / 268_435_456  # gzip makes random data larger
ABOVE_BYTES = 579_303_825 - BELOW_APP_BYTES - COMPRESSED_BYTES["r_app1.tar"]


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one CSV."""
    with (CASES / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def image(name: str, fs: str) -> tuple[Layer, ...]:
    """The measured image, bottom first. A latest tag is the version named in the step's text."""
    listed = [row for row in rows("image_layers.csv") if row["image"] == name]
    return tuple(_layer(row, name, fs) for row in listed)


def _layer(row: dict[str, str], name: str, fs: str) -> Layer:
    files, directories = int(row["files"]) + int(row["links"]), int(row["dirs"])
    blocks_gib = gib(int(row["content_bytes_4k_rounded"]))
    size_gib = files_gib(blocks_gib, files, directories, fs)
    return Layer(row["diffid"], size_gib, gib(_compressed_bytes(row, name)))


def _compressed_bytes(row: dict[str, str], name: str) -> float:
    """A layer's blob. Only sums were measured for most: those are split by the layers' size."""
    tar = row["layer"].replace(".v3.", ".").replace("base2", "base")
    if tar in COMPRESSED_BYTES:
        return COMPRESSED_BYTES[tar]
    if tar in ("r_base.tar", "r_py.tar", "r_gcc.tar"):
        return BELOW_APP_BYTES * int(row["tar_bytes"]) / (171_857_920 + 324_259_840 + 245_872_640)
    if tar in ("r_llvm.tar", "r_jvm.tar", "r_git.tar"):
        return ABOVE_BYTES * int(row["tar_bytes"]) / (370_565_120 + 271_247_360 + 170_536_960)
    if name.startswith("small"):
        return {"small1k:1": 20_362_703, "small5k:1": 100_691_132}[name]
    return int(row["content_bytes"]) * RANDOM_GROWS


def close(predicted: float, measured: float, share: float = 0.02) -> bool:
    """Whether a prediction is within a share of what was measured."""
    return abs(predicted - measured) <= share * abs(measured)
