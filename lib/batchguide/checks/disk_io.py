"""Input and output of the volume that Docker writes to: burst credits, and requests that queue."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment, DataVolume, Metric, data_volumes
from batchguide.checks.common import (
    FLEET,
    IMAGES,
    TEMPLATE,
    VOLUMES,
    needed,
    no_volume,
    on_instances,
    threshold,
)
from batchguide.findings import (
    Evidence,
    Severity,
    Status,
    Verdict,
    check,
    fails,
    passes,
    quote,
    unknown,
)
from batchguide.units import show_size

AREA = "disk"
METRICS = "cloudwatch:GetMetricData"


@check(
    id="DISK-007",
    title="Volume lives on burst credits, or requests queue up on it",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, METRICS),
    keyed=[METRICS],
    fixes=["larger-volume"],
    runbook="12-understand-disk",
)
def burst_credits_run_out(account: Account) -> Iterator[Verdict]:
    """Does Docker's volume live on gp2 burst credits, or do requests queue up on it?

    Why it matters: a gp2 volume of 30 GiB earns 100 IOPS; many containers spend the credits, and
    then Docker misses the agent's time limits and jobs fail though their work was done.

    How to fix: use gp3 with explicit IOPS and throughput; it costs less for the same size.

    Source: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
    https://repost.aws/knowledge-center/batch-docker-timeout-error
    """
    yield from on_instances(account, _of_environment)


def _of_environment(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known = data_volumes(account, env)
    if not known.volumes:
        yield no_volume(env, known.missing)
        return
    worst = min((_of_volume(account, env, each) for each in known.volumes), key=_place)
    if known.missing and worst.status is not Status.FAIL:
        worst = unknown(env.resource, "not every volume was seen", missing=known.missing)
    yield worst


def _place(verdict: Verdict) -> int:
    """What can't be told may be worse than a mild failure, and stands before it."""
    if verdict.status is Status.FAIL:
        return 0 if verdict.severity is None else 2
    return 1 if verdict.status is Status.UNKNOWN else 3


def _of_volume(account: Account, env: ComputeEnvironment, volume: DataVolume) -> Verdict:
    path = volume.path.replace("Size", "VolumeType") if volume.volume_id else volume.path
    evidence = Evidence(path, volume.type)
    if volume.type is None:
        missing = VOLUMES if volume.volume_id else IMAGES
        return unknown(env.resource, "the volume's type is not said", evidence, missing=[missing])
    if volume.type == "gp2" and not never_bursts(volume):
        return _credits(account, env, volume, evidence)
    return _queue(account, env, volume, evidence)


def never_bursts(volume: DataVolume) -> bool:
    """A large gp2 volume earns as many IOPS as it could burst to."""
    gp2 = facts.volume_types()["gp2"]
    baseline = (gp2.baseline_iops_per_gib or 0) * (volume.size_gib or 0)
    return baseline >= (gp2.burst_iops or 0)


def _series(account: Account, volume: DataVolume, name: str) -> Metric | None:
    series = account.metrics_by_volume.get(volume.volume_id or "", ())
    return next((each for each in series if each.name == name and each.values), None)


def _credits(
    account: Account, env: ComputeEnvironment, volume: DataVolume, type_: Evidence
) -> Verdict:
    start = f"{volume.origin} is {show_size(volume.size_gib)} of gp2"
    if volume.volume_id is None:
        message = f"{start}, which lives on burst credits"
        return fails(env.resource, message, type_, severity=Severity.MEDIUM)
    seen = _series(account, volume, "BurstBalance")
    if seen is None:
        message = f"{start}, and how far its credits fell is not in the capture"
        missing = account.lacks(*METRICS.split(":")) or (f"BurstBalance of {volume.volume_id}",)
        return unknown(env.resource, message, type_, missing=missing)
    lowest = min(seen.values)
    balance = Evidence(seen.where.path("Values"), lowest)
    mild = Severity.MEDIUM if lowest >= 100 * threshold("burst_balance_share") else None
    message = f"{start}; its credits fell to {lowest:.0f} %"
    return fails(env.resource, message, type_, balance, severity=mild)


def _queue(
    account: Account, env: ComputeEnvironment, volume: DataVolume, type_: Evidence
) -> Verdict:
    start = f"{volume.origin} is {quote(volume.type, 20)}, without credits that run out"
    seen = _series(account, volume, "VolumeQueueLength")
    if seen is None or not volume.iops:
        return passes(env.resource, f"{start}; no queue was measured", type_)
    values = sorted(seen.values)
    p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
    allowed = threshold("queue_length_per_500_iops") * volume.iops / 500
    message = f"{volume.origin}, {volume.iops} IOPS: {p95:.1f} requests waited (95th percentile)"
    queue = Evidence(seen.where.path("Values"), p95)
    if p95 > allowed:
        return fails(env.resource, message, type_, queue, severity=Severity.MEDIUM)
    return passes(env.resource, f"{start}; {p95:.1f} requests wait", type_, queue)
