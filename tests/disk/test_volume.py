"""What volumes give: AWS's own examples, and the laws of credit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide import facts
from batchguide.disk.volume import (
    INSTANCE_STORE,
    Bucket,
    Credits,
    Device,
    advance,
    effective_device,
    exhausted_after_s,
    gp2_bucket,
    gp2_mibps,
    instance_bucket,
    instance_device,
    refilled_after_s,
    served,
    volume_bucket,
    volume_device,
)
from batchguide.errors import UserError

FULL = 5_400_000
SIZES = st.floats(1, 16_384)
DEMANDS = st.floats(0, 20_000)
STEPS = st.lists(st.tuples(DEMANDS, st.floats(0, 5_000)), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("size_gib", "baseline", "burst"),
    [
        (1, 100, 3_000),
        (30, 100, 3_000),
        (33.3, 100, 3_000),
        (34, 102, 3_000),
        (500, 1_500, 3_000),
        (999, 2_997, 3_000),
        (1_000, 3_000, 3_000),
        (2_000, 6_000, 6_000),
        (5_334, 16_000, 16_000),
        (16_384, 16_000, 16_000),
    ],
)
def test_gp2_earns_three_iops_a_gib(size_gib, baseline, burst):
    bucket = gp2_bucket(size_gib)

    assert (bucket.baseline, bucket.burst) == (baseline, burst)


def test_a_30_gib_gp2_volume_bursts_for_half_an_hour_and_refills_in_fifteen():
    bucket = gp2_bucket(30)

    assert exhausted_after_s(bucket, Credits(FULL), 3_000) == pytest.approx(1862, abs=0.1)
    assert exhausted_after_s(bucket, Credits(FULL), 100_000) == pytest.approx(1862, abs=0.1)
    assert exhausted_after_s(bucket, Credits(FULL), 100) == math.inf
    assert refilled_after_s(bucket, Credits(0)) == 54_000
    assert refilled_after_s(bucket, Credits(0), 100) == math.inf
    assert refilled_after_s(bucket, Credits(FULL), 3_000) == 0


def test_without_credit_a_gp2_volume_gives_its_baseline():
    bucket = gp2_bucket(30)

    assert served(bucket, Credits(1), 3_000) == 3_000
    assert served(bucket, Credits(0), 3_000) == 100
    assert served(bucket, Credits(0), 50) == 50


def test_credit_runs_out_within_a_step():
    after, done = advance(gp2_bucket(30), Credits(FULL), 3_000, 3_600)

    assert after.left == 0
    assert done == pytest.approx(1862.069 * 3_000 + (3_600 - 1862.069) * 100, rel=1e-6)


@pytest.mark.parametrize(
    ("size_gib", "with_credit", "without"),
    [(170, 128, 128), (171, 250, 128), (333, 250, 128), (334, 250, 250)],
)
def test_gp2_throughput_steps(size_gib, with_credit, without):
    assert gp2_mibps(size_gib) == with_credit
    assert gp2_mibps(size_gib, credit=False) == without


@pytest.mark.parametrize(
    ("kind", "size_gib", "iops", "mibps", "expected"),
    [
        ("gp3", 30, None, None, Device(3_000, 125)),
        ("gp3", 30, 4_000, 1_000, Device(4_000, 1_000)),
        ("gp3", 30, 15_000, 125, Device(15_000, 125)),
        ("io1", 100, 5_000, None, Device(5_000, 500)),
        ("io1", 100, 1_000, None, Device(1_000, 250)),
        ("io1", 2_000, 64_000, None, Device(64_000, 1_000)),
        ("io2", 100, 10_000, None, Device(10_000, 2_560)),
        ("io2", 300, 256_000, None, Device(256_000, 4_000)),
        ("st1", 1_024, None, None, Device(500, 40)),
    ],
)
def test_provisioned_volumes_give_what_was_asked(kind, size_gib, iops, mibps, expected):
    device = volume_device(kind, size_gib, iops, mibps)

    assert (device.iops, device.mibps) == pytest.approx((expected.iops, expected.mibps))


@pytest.mark.parametrize(
    ("kind", "size_gib", "iops", "mibps", "message"),
    [
        ("gp3", 30, 15_001, None, "volume.iops is 15001: a volume of type gp3 and 30 GiB"),
        ("gp3", 30, 2_999, None, "takes from 3000 to 15000"),
        ("gp3", 30, 3_000, 751, "volume.throughput_mibps is 751: a volume of type gp3"),
        ("gp3", 30, 3_000, 100, "takes from 125 to 750"),
        ("io1", 100, 5_001, None, "takes from 100 to 5000"),
        ("gp4", 100, None, None, "volume type 'gp4'; allowed: gp2, gp3"),
    ],
)
def test_what_ebs_does_not_provision_is_refused(kind, size_gib, iops, mibps, message):
    with pytest.raises(UserError, match=message):
        volume_device(kind, size_gib, iops, mibps)


def test_only_gp2_holds_credit():
    assert volume_bucket("gp2", 30).capacity == FULL
    assert volume_bucket("gp2", 1_000).capacity == 0
    assert volume_bucket("gp3", 30) == Bucket(3_000, 3_000, 0)


def test_an_instance_store_is_faster_than_any_gp3():
    assert volume_device(INSTANCE_STORE, 100).mibps > volume_device("gp3", 100).mibps


def test_a_small_instance_limits_a_volume_once_its_burst_is_spent():
    instance = facts.instance_type("m5.large")
    volume = volume_device("gp3", 1_000, 10_000, 1_000)

    bursting = effective_device(volume, instance_device(instance))
    afterwards = effective_device(volume, instance_device(instance, burst=False))

    assert (bursting.iops, round(bursting.mibps)) == (10_000, 566)
    assert (afterwards.iops, round(afterwards.mibps)) == (3_600, 77)


def test_an_instance_bursts_half_an_hour_a_day():
    bucket = instance_bucket(facts.instance_type("m5.large"))
    full = Credits(bucket.capacity)

    assert exhausted_after_s(bucket, full, bucket.burst) == pytest.approx(1_800)
    assert refilled_after_s(bucket, Credits(0)) == pytest.approx(86_400)


def test_a_large_instance_gives_its_maximum_all_day():
    bucket = instance_bucket(facts.instance_type("r5.24xlarge"))

    assert exhausted_after_s(bucket, Credits(bucket.capacity), bucket.burst) == math.inf


def test_an_instance_without_stated_limits_limits_nothing():
    volume = volume_device("gp3", 30)

    assert instance_device(facts.instance_type("c1.medium")) is None
    assert instance_bucket(facts.instance_type("c1.medium")) is None
    assert effective_device(volume, None) == volume


def test_an_exhausted_volume_writes_as_its_iops_allow():
    assert volume_device("gp2", 30, credit=False).large_mibps == 25
    assert volume_device("gp2", 30).large_mibps == 128


@given(SIZES, st.floats(0, FULL), STEPS)
def test_credit_stays_in_its_bucket_and_no_io_is_made_of_nothing(size_gib, left, steps):
    bucket = gp2_bucket(size_gib)
    credit = Credits(min(left, bucket.capacity))
    total_s = done = asked = 0.0
    start = credit.left
    for demand, dt_s in steps:
        credit, io = advance(bucket, credit, demand, dt_s)
        total_s, done, asked = total_s + dt_s, done + io, asked + demand * dt_s
        assert 0 <= credit.left <= FULL

    assert done <= asked * (1 + 1e-9) + 1e-6
    assert done <= (start - credit.left + bucket.baseline * total_s) * (1 + 1e-9) + 1e-3


@given(SIZES, st.floats(0, 1), DEMANDS, st.floats(0, 5_000), st.floats(0.01, 0.99))
def test_two_steps_are_one(size_gib, level, demand, dt_s, cut):
    bucket = gp2_bucket(size_gib)
    credit = Credits(level * bucket.capacity)

    whole, io = advance(bucket, credit, demand, dt_s)
    middle, first = advance(bucket, credit, demand, dt_s * cut)
    end, second = advance(bucket, middle, demand, dt_s * (1 - cut))

    assert end.left == pytest.approx(whole.left, abs=1e-3)
    assert first + second == pytest.approx(io, rel=1e-6, abs=1)


@given(SIZES, st.floats(0, 1_000))
def test_a_larger_gp2_volume_is_never_slower(size_gib, more_gib):
    small, large = volume_device("gp2", size_gib), volume_device("gp2", size_gib + more_gib)
    without = (volume_device("gp2", size, credit=False) for size in (size_gib, size_gib + more_gib))
    idle_small, idle_large = without

    assert large.within(small) == small
    assert idle_large.within(idle_small) == idle_small
    assert small.within(idle_small) == idle_small
