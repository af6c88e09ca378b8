"""What a pull takes: compressed blobs in flight, the peak, how long, and where it fails.

Read in source (moby): at most three downloads at a time for the whole daemon, begun from the
bottom; a layer is fetched whole before it is unpacked; unpacking goes strictly from the bottom, one
layer after another; a blob is deleted once its layer is registered. Measured: the peaks, and how a
pull ends on a full file system. A model: rates that do not change during a pull.

Left out: xfs sets aside more than it needs for files that grow (`preallocated_gib`), and gives it
back when the volume fills; a peak on xfs is what the pull needs, not what `df` shows meanwhile.
"""

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from batchguide.disk.docker import constant, full_text
from batchguide.disk.layers import (
    blocks_gib,
    bytes_added,
    bytes_added_together,
    bytes_freed,
    chain_ids,
    equal_layers,
    files_gib,
    layer_gib,
    missing,
)
from batchguide.disk.scenario import Layer
from batchguide.errors import UserError
from batchguide.units import GIB, MIB

__all__ = [
    "Layer",
    "Moment",
    "PeakBounds",
    "PullFailure",
    "PullPlan",
    "blocks_gib",
    "bytes_added",
    "bytes_added_together",
    "bytes_freed",
    "chain_ids",
    "equal_layers",
    "files_gib",
    "layer_gib",
    "missing",
    "peak_bounds",
    "preallocated_gib",
    "pull_curve",
    "pull_failure",
    "pull_plan",
]

_MIB_IN_GIB = 1024.0


@dataclass(frozen=True, slots=True)
class PeakBounds:
    """The least and the most that a pull has on the volume at one time, in GiB over before."""

    lower_gib: float
    upper_gib: float


def peak_bounds(layers: Sequence[Layer], fs: str = "ext4") -> PeakBounds:
    """Bounds for layers that are all missing, whatever the rates.

    Lower: only the blob being unpacked lies beside the layers so far. Upper: all blobs were fetched
    before the first layer was unpacked.
    """
    lower = upper = unpacked = 0.0
    blobs = sum(layer.compressed_gib for layer in layers)
    for layer in layers:
        unpacked += layer_gib(layer, fs)
        lower = max(lower, unpacked + layer.compressed_gib)
        upper = max(upper, unpacked + blobs)
        blobs -= layer.compressed_gib
    return PeakBounds(lower, max(lower, upper))


@dataclass(frozen=True, slots=True)
class Moment:
    """What a pull has on the volume at an instant; between two of them all grows linearly."""

    at_s: float
    blobs_gib: float
    unpacked_gib: float

    @property
    def total_gib(self) -> float:
        """Blobs and unpacked layers together."""
        return self.blobs_gib + self.unpacked_gib


@dataclass(slots=True)
class _Pull:
    """The state between two events: what is left to fetch of each layer and to unpack of one."""

    layers: Sequence[Layer]
    sizes_gib: Sequence[float]
    to_fetch_gib: list[float]
    to_unpack_gib: float
    registered: int = 0
    at_s: float = 0.0

    def fetching(self, most: int) -> list[int]:
        """Layers being fetched: the lowest unfetched ones."""
        unfetched = (i for i, left in enumerate(self.to_fetch_gib) if left > 0)
        return [index for index, _ in zip(unfetched, range(most), strict=False)]

    def unpacking(self) -> bool:
        """Whether the next layer in order lies there whole."""
        return self.registered < len(self.layers) and self.to_fetch_gib[self.registered] <= 0

    def moment(self) -> Moment:
        """Bytes on the volume now."""
        pairs = zip(
            self.layers[self.registered :], self.to_fetch_gib[self.registered :], strict=True
        )
        blobs = sum(layer.compressed_gib - left for layer, left in pairs)
        unpacked = sum(self.sizes_gib[: self.registered])
        if self.registered < len(self.layers):
            unpacked += self.sizes_gib[self.registered] - self.to_unpack_gib
        return Moment(self.at_s, blobs, unpacked)

    def advance(self, fetched: list[int], fetch_gibps: float, unpack_gibps: float) -> None:
        """To the next event: a blob is whole, or a layer is unpacked."""
        each_gibps = fetch_gibps / max(len(fetched), 1)
        fetch_s = min((self.to_fetch_gib[i] for i in fetched), default=math.inf) / each_gibps
        unpack_s = self.to_unpack_gib / unpack_gibps if self.unpacking() else math.inf
        step_s = min(fetch_s, unpack_s)
        if unpack_s < math.inf:
            left = self.to_unpack_gib - step_s * unpack_gibps
            self.to_unpack_gib = 0.0 if unpack_s <= step_s else left
        for index in fetched:
            left = self.to_fetch_gib[index] - step_s * each_gibps
            self.to_fetch_gib[index] = left if left > 1e-12 else 0.0
        self.at_s += step_s

    def register(self) -> None:
        """Drop the blob of the layer just unpacked, and turn to the next."""
        self.registered += 1
        more = self.registered < len(self.layers)
        self.to_unpack_gib = self.sizes_gib[self.registered] if more else 0.0


def pull_curve(
    layers: Sequence[Layer],
    pull_mibps: float,
    extract_mibps: float | None = None,
    fs: str = "ext4",
    concurrent: int | None = None,
) -> tuple[Moment, ...]:
    """Bytes on the volume through a pull of layers that are all missing.

    Two moments stand at an instant at which a blob is dropped: before and after. Downloads share
    `pull_mibps` (compressed); `extract_mibps` counts unpacked bytes.
    """
    most = int(constant("max_concurrent_downloads")) if concurrent is None else concurrent
    unpack = constant("extract_mibps") if extract_mibps is None else extract_mibps
    _positive(pull_mibps=pull_mibps, extract_mibps=unpack, concurrent=most)
    sizes = [layer_gib(layer, fs) for layer in layers]
    fetch = [layer.compressed_gib for layer in layers]
    pull = _Pull(layers, sizes, fetch, sizes[0] if sizes else 0.0)
    moments = [pull.moment()]
    while pull.registered < len(layers):
        pull.advance(pull.fetching(most), pull_mibps / _MIB_IN_GIB, unpack / _MIB_IN_GIB)
        moments.append(pull.moment())
        if pull.unpacking() and pull.to_unpack_gib <= 0:
            pull.register()
            moments.append(pull.moment())
    return tuple(moments)


def _positive(**rates: float) -> None:
    for name, value in rates.items():
        if not 0 < value < math.inf:
            raise UserError(f"{name} is {value}; it must be a number above 0")


@dataclass(frozen=True, slots=True)
class PullPlan:
    """A pull in four numbers: `final_gib` stays; `peak_extra_gib` lies beside it at the worst.

    `download_s` is when the last blob is whole, and Docker's download slots are free again:
    downloads never rest while one is left.
    """

    duration_s: float
    download_s: float
    peak_extra_gib: float
    final_gib: float


def pull_plan(
    layers: Sequence[Layer],
    pull_mibps: float,
    extract_mibps: float | None = None,
    *,
    present: Collection[str] = (),
    fs: str = "ext4",
    concurrent: int | None = None,
) -> PullPlan:
    """What pulling an image takes, given the chains stored. All zero when all are there.

    A second container that asks for the same image meanwhile waits for this pull and adds nothing.

    >>> plan = pull_plan(equal_layers(1.6, 0.55, 8), pull_mibps=200, extract_mibps=80)
    >>> round(plan.duration_s, 1), round(plan.peak_extra_gib, 3), round(plan.final_gib, 2)
    (21.5, 0.069, 1.6)
    """
    new = missing(layers, present)
    if not new:
        return PullPlan(0.0, 0.0, 0.0, 0.0)
    curve = pull_curve(new, pull_mibps, extract_mibps, fs, concurrent)
    final = bytes_added(layers, present, fs)
    peak = max(moment.total_gib for moment in curve)
    download_s = sum(layer.compressed_gib for layer in new) * _MIB_IN_GIB / pull_mibps
    return PullPlan(curve[-1].at_s, download_s, max(peak - final, 0.0), final)


@dataclass(frozen=True, slots=True)
class PullFailure:
    """Where a pull meets the end of the file system; `stage` is "download" or "register"."""

    at_s: float
    stage: str
    error: str


def pull_failure(curve: Sequence[Moment], free_gib: float) -> PullFailure | None:
    """The moment at which a pull needs more than is free, and what Docker says then; None if never.

    Where blobs are written and a layer is unpacked at once, the one that grows faster meets the end
    first. Within about a second Docker gives everything back but `failed_pull_bytes`.
    """
    for before, after in itertools.pairwise(curve):
        if after.total_gib <= free_gib or after.at_s <= before.at_s:
            continue
        growth = after.total_gib - before.total_gib
        share = max(free_gib - before.total_gib, 0.0) / growth
        blobs, unpacked = (
            after.blobs_gib - before.blobs_gib,
            after.unpacked_gib - before.unpacked_gib,
        )
        stage = "download" if blobs > unpacked else "register"
        at_s = before.at_s + share * (after.at_s - before.at_s)
        return PullFailure(at_s, stage, full_text(stage))
    return None


def preallocated_gib(blob_gib: float) -> float:
    """What xfs sets aside for a blob while it grows: the next power of two.

    Measured with `df` on four blobs from 20 to 268 MB; it gives way when the volume fills.
    """
    if blob_gib <= 0:
        return 0.0
    return (
        float(2 ** math.ceil(math.log2(blob_gib * GIB))) / GIB
        if blob_gib * GIB >= MIB
        else blob_gib
    )
