"""How large a volume a plan asks for, and with which settings."""

from __future__ import annotations

import math
from typing import Any

from batchguide import facts
from batchguide.account_scenario import Observed
from batchguide.disk.volume import volume_device
from batchguide.fixes import proof
from batchguide.fixes.plan import PlanError
from batchguide.fixes.situation import Situation
from batchguide.fixes.template import ebs_of

VOLUME_TYPES = ("gp3", "gp2")
STEP_GIB = 10


def size_of(
    situation: Situation, observed: Observed, size_gib: int | None, volume_type: str
) -> tuple[int, tuple[str, ...]]:
    """The size, and how it was found where it was not given."""
    if volume_type not in VOLUME_TYPES:
        raise PlanError(f"volume type {volume_type!r}: give {' or '.join(VOLUME_TYPES)}")
    notes: tuple[str, ...] = ()
    if size_gib is None:
        size_gib, notes = _forecast_size(situation, observed, volume_type)
    has_gib = situation.volume.size_gib or 0
    most_gib = facts.volume_types()[volume_type].max_gib
    if not has_gib <= size_gib <= most_gib:
        raise PlanError(
            f"size {size_gib} GiB: it must be from {has_gib:g} GiB, which {situation.env.name} has"
            f" (an AMI's snapshot can't shrink), to {most_gib:,} GiB, the most of {volume_type}"
        )
    return size_gib, notes


def _forecast_size(
    situation: Situation, observed: Observed, volume_type: str
) -> tuple[int, tuple[str, ...]]:
    from batchguide.disk.advice import smallest_volume

    if observed.scenario is None:
        raise PlanError(
            f"no size can be forecast for {situation.env.name}: the capture lacks "
            + ", ".join(observed.missing)
            + "; collect that too, or give --size-gib"
        )
    now_gib = math.ceil(situation.volume.size_gib or 0)
    plain = {"VolumeSize": now_gib, "VolumeType": volume_type}  # small ones can't have more IOPS
    bound = smallest_volume(proof.with_volume(observed.scenario, plain))
    if bound.safe is None:
        raise PlanError("no volume size keeps the forecast from failing: see `batchguide estimate`")
    if bound.safe.value <= now_gib:
        raise PlanError(
            f"{situation.env.name} needs no larger volume: its busiest hour fits on"
            f" {bound.safe.value:g} GiB by the forecast, and it has {now_gib} GiB; give --size-gib"
            " to plan one all the same"
        )
    free = facts.thresholds()["min_free_share"].value
    size_gib = math.ceil(bound.safe.value / (1 - free) / STEP_GIB) * STEP_GIB
    return size_gib, (
        f"The smallest volume that holds the busiest hour is {bound.safe.value:g} GiB; {size_gib}"
        f" GiB leave {free:.0%} free, in steps of {STEP_GIB}.",
    )


def settings_of(situation: Situation, size_gib: int, volume_type: str) -> dict[str, Any]:
    """The device's settings: what the template says of encryption stays, nothing gets slower."""
    volume = situation.volume
    own = ebs_of(situation.template_data, volume.device)
    kept = {key: own[key] for key in own if key not in ("Iops", "Throughput")}
    ebs = {"DeleteOnTermination": True, **kept}
    ebs |= {"VolumeSize": size_gib, "VolumeType": volume_type}
    if volume_type != "gp3":
        return ebs
    included = facts.volume_types()["gp3"]
    now = volume_device(
        volume.type or "gp3", volume.size_gib or 1, volume.iops, volume.throughput_mibps
    )
    iops = max(included.min_iops or 0, volume.iops or 0)
    mibps = max(included.base_mibps or 0, now.mibps)
    return {**ebs, "Iops": iops, "Throughput": math.ceil(mibps)}
