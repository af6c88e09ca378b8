"""What a volume gives: gp2 credits and throughput steps, gp3, io1 and io2, the instance's share.

Documented by AWS: baselines, bursts, the gp2 bucket, throughput steps, the limits of what can be
provisioned (data/volume-types.csv). Documented as "at least 30 minutes every 24 hours" and modelled
as a bucket that refills evenly over a day: the burst of small instance types. Left out: the slow
first read of blocks that come from a snapshot, which newly written blocks don't have.
"""

import math
from dataclasses import dataclass

from batchguide import facts
from batchguide.disk.docker import constant
from batchguide.errors import UserError

INSTANCE_STORE = "instance-store"
_INSTANCE_BURST_S, _DAY_S = 1_800.0, 86_400.0
_KIB_PER_MIB = 1024.0


@dataclass(frozen=True, slots=True)
class Device:
    """What I/O gets through at a moment."""

    iops: float
    mibps: float

    def within(self, other: "Device") -> "Device":
        """The lesser of both in each respect: a volume behind its instance."""
        return Device(min(self.iops, other.iops), min(self.mibps, other.mibps))

    @property
    def large_mibps(self) -> float:
        """Throughput of large writes: EBS counts 256 KiB as one I/O at most.

        >>> Device(iops=100, mibps=128).large_mibps
        25.0
        """
        return min(self.mibps, self.iops * constant("largest_io_mib"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A burst allowance: how fast with and without credit, and how credit comes and goes.

    Credit is spent at demand less baseline, and earned at baseline less demand but no faster than
    `earn_per_s`. Where `burst` is not above `baseline` there is nothing to spend.
    """

    baseline: float
    burst: float
    capacity: float
    earn_per_s: float = math.inf

    def net(self, demand: float) -> float:
        """Credit gained a second at a demand while there is credit; negative where it is spent."""
        return min(self.baseline - min(demand, max(self.burst, self.baseline)), self.earn_per_s)


@dataclass(frozen=True, slots=True)
class Credits:
    """The state of a bucket: credit left. A volume and an instance start full."""

    left: float


def served(bucket: Bucket, credit: Credits, demand: float) -> float:
    """I/O a second that get through now."""
    ceiling = bucket.burst if credit.left > 0 else bucket.baseline
    return min(demand, max(ceiling, bucket.baseline))


def exhausted_after_s(bucket: Bucket, credit: Credits, demand: float) -> float:
    """Seconds until a steady demand has spent the credit; infinite if it never does.

    >>> gp2 = gp2_bucket(30)
    >>> round(exhausted_after_s(gp2, Credits(gp2.capacity), 3000))
    1862
    """
    net = bucket.net(demand)
    return credit.left / -net if net < 0 else math.inf


def refilled_after_s(bucket: Bucket, credit: Credits, demand: float = 0.0) -> float:
    """Seconds until the bucket is full again; infinite while demand is at or above baseline.

    >>> refilled_after_s(gp2_bucket(30), Credits(0))
    54000.0
    """
    short, net = bucket.capacity - credit.left, bucket.net(demand)
    if short <= 0:
        return 0.0
    return short / net if net > 0 else math.inf


def advance(bucket: Bucket, credit: Credits, demand: float, dt_s: float) -> tuple[Credits, float]:
    """The state after `dt_s` of a steady demand, and the I/O that got through meanwhile."""
    net = bucket.net(demand)
    bursting_s = min(exhausted_after_s(bucket, credit, demand), dt_s)
    done = served(bucket, credit, demand) * bursting_s
    done += min(demand, bucket.baseline) * (dt_s - bursting_s)
    if bursting_s < dt_s:
        return Credits(0.0), done
    return Credits(min(max(credit.left + net * dt_s, 0.0), bucket.capacity)), done


def gp2_bucket(size_gib: float) -> Bucket:
    """IOPS of a gp2 volume: 3 for each GiB, at least 100; to 3,000 while its 5.4 million last."""
    gp2 = facts.volume_types()["gp2"]
    per_gib, least = gp2.baseline_iops_per_gib or 0.0, gp2.min_iops or 0
    baseline = min(max(per_gib * size_gib, least), gp2.max_iops)
    burst = max(float(gp2.burst_iops or 0), baseline)
    return Bucket(baseline, burst, float(gp2.credit_ios or 0) if burst > baseline else 0.0)


def gp2_mibps(size_gib: float, *, credit: bool = True) -> float:
    """Throughput of a gp2 volume: 128 MiB/s up to 170 GiB, 250 above, below 334 with credit only.

    >>> gp2_mibps(170), gp2_mibps(171), gp2_mibps(171, credit=False), gp2_mibps(334, credit=False)
    (128.0, 250.0, 128.0, 250.0)
    """
    gp2 = facts.volume_types()["gp2"]
    above = size_gib > (gp2.burst_mibps_from_gib or math.inf)
    full = size_gib >= (gp2.full_mibps_from_gib or math.inf)
    return float(gp2.max_mibps if full or (above and credit) else gp2.base_mibps or gp2.max_mibps)


def volume_bucket(kind: str, size_gib: float, iops: float | None = None) -> Bucket:
    """The IOPS of a volume as a bucket; only gp2's holds credit."""
    if kind == "gp2":
        return gp2_bucket(size_gib)
    rate = _device(kind, size_gib, iops, None).iops
    return Bucket(rate, rate, 0.0)


def volume_device(
    kind: str,
    size_gib: float,
    iops: float | None = None,
    mibps: float | None = None,
    *,
    credit: bool = True,
) -> Device:
    """What a volume gives, with credit left or without.

    An instance store is taken as fast as the measured unthrottled device: a guess, for AWS gives
    figures by instance type that are not in data/.

    >>> volume_device("gp3", 30)
    Device(iops=3000.0, mibps=125.0)
    >>> volume_device("gp2", 30, credit=False)
    Device(iops=100.0, mibps=128.0)
    """
    if kind == "gp2":
        bucket = gp2_bucket(size_gib)
        rate = bucket.burst if credit else bucket.baseline
        return Device(float(rate), gp2_mibps(size_gib, credit=credit))
    return _device(kind, size_gib, iops, mibps)


def _device(kind: str, size_gib: float, iops: float | None, mibps: float | None) -> Device:
    if kind == INSTANCE_STORE:
        return Device(constant("fast_device_iops"), constant("fast_device_mibps"))
    types = facts.volume_types()
    if kind not in types:
        raise UserError(f"volume type {kind!r}; allowed: {', '.join(types)}, {INSTANCE_STORE}")
    limits = types[kind]
    rate = _provisioned_iops(limits, size_gib, iops)
    if limits.mibps_per_tib is not None:
        return Device(rate, min(limits.mibps_per_tib * size_gib / 1024, limits.max_mibps))
    return Device(rate, _provisioned_mibps(limits, rate, mibps))


def _provisioned_iops(limits: facts.VolumeType, size_gib: float, iops: float | None) -> float:
    """IOPS as provisioned, or the least of the type; refused outside what EBS allows."""
    included = float(limits.min_iops or limits.max_iops)
    wanted = included if iops is None else float(iops)
    most = float(limits.max_iops)
    if limits.max_iops_per_gib is not None:
        most = min(most, max(limits.max_iops_per_gib * size_gib, included))
    if not included <= wanted <= most:
        raise UserError(
            f"volume.iops is {wanted:.12g}: a volume of type {limits.name} and {size_gib:g} GiB"
            f" takes from {included:.12g} to {most:.12g}"
        )
    return wanted


def _provisioned_mibps(limits: facts.VolumeType, iops: float, mibps: float | None) -> float:
    """Throughput as provisioned, as included, or as it follows from the IOPS."""
    if limits.base_mibps is None:
        return _mibps_of_iops(limits, iops)
    most = min(limits.max_mibps, (limits.max_mibps_per_iops or math.inf) * iops)
    wanted = min(limits.base_mibps, most) if mibps is None else float(mibps)
    if not min(limits.base_mibps, most) <= wanted <= most:
        raise UserError(
            f"volume.throughput_mibps is {wanted:g}: a volume of type {limits.name} and"
            f" {iops:.12g} IOPS takes from {min(limits.base_mibps, most):g} to {most:g}"
        )
    return wanted


def _mibps_of_iops(limits: facts.VolumeType, iops: float) -> float:
    """io1: 256 KiB an I/O to 500 MiB/s, then 16 KiB; io2 0.256 MiB; standard 256 KiB."""
    if limits.max_mibps_per_iops is not None:
        return min(limits.max_mibps, limits.max_mibps_per_iops * iops)
    large = iops * constant("largest_io_mib")
    if limits.name == "io1":
        large = max(min(large, 500.0), iops * 16 / _KIB_PER_MIB)
    return min(limits.max_mibps, large)


def instance_device(instance: facts.InstanceType, *, burst: bool = True) -> Device | None:
    """What an instance passes to all its volumes; None where EC2 states no limit."""
    rate = instance.ebs_max_iops if burst else instance.ebs_baseline_iops
    mibps = instance.ebs_max_mibps if burst else instance.ebs_baseline_mibps
    return None if rate is None or mibps is None else Device(float(rate), mibps)


def instance_bucket(instance: facts.InstanceType) -> Bucket | None:
    """An instance's burst of throughput, in MiB: half an hour a day at the maximum.

    The refill, evenly over a day and never while above baseline, is a model.
    """
    baseline, burst = instance.ebs_baseline_mibps, instance.ebs_max_mibps
    if baseline is None or burst is None:
        return None
    capacity = (burst - baseline) * _INSTANCE_BURST_S
    return Bucket(baseline, burst, capacity, capacity / _DAY_S)


def effective_device(volume: Device, instance: Device | None) -> Device:
    """What gets through both; an instance store is not behind the instance's EBS limit.

    >>> effective_device(Device(3000, 1000), Device(3600, 81.25))
    Device(iops=3000, mibps=81.25)
    """
    return volume if instance is None else volume.within(instance)
