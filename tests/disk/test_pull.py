"""Pulls against a real Docker Engine, and the laws of a pull."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide.disk.pull import (
    Layer,
    bytes_added,
    chain_ids,
    equal_layers,
    layer_gib,
    missing,
    peak_bounds,
    preallocated_gib,
    pull_curve,
    pull_failure,
    pull_plan,
)
from batchguide.errors import UserError
from batchguide.units import GIB, gib
from docker_cases import FILE_SYSTEMS, close, image, rows

LAYERS = st.lists(
    st.builds(
        Layer,
        digest=st.sampled_from("abcdef"),
        size_gib=st.floats(0, 4),
        compressed_gib=st.floats(0, 2),
    ),
    min_size=1,
    max_size=8,
)
RATES = st.floats(1, 2_000)
MEASURED_PULL_MIBPS = (120, 250, 600)  # a registry on loopback; unpacking was the slow part


def peak_gib(layers, pull_mibps=250, fs="ext4", **options):
    return max(m.total_gib for m in pull_curve(layers, pull_mibps, fs=fs, **options))


@pytest.mark.parametrize("fs", FILE_SYSTEMS)
def test_what_stays_of_a_pull(fs):
    for row in (row for row in rows("c_pull_peak.csv") if row["fs"] == fs):
        added = bytes_added(image(row["image"], fs), (), fs) * GIB

        assert close(added, int(row["df_added"])), row


@pytest.mark.parametrize("pull_mibps", MEASURED_PULL_MIBPS)
def test_the_peak_of_a_pull_on_ext4(pull_mibps):
    for row in (row for row in rows("c_pull_peak.csv") if row["fs"] == "ext4"):
        layers, at_a_time = image(row["image"], "ext4"), int(row["max_concurrent_downloads"])
        bounds = peak_bounds(layers)
        measured = int(row["peak_over_before"])

        peak = peak_gib(layers, pull_mibps, concurrent=at_a_time) * GIB

        assert close(peak, measured), row
        assert 0.98 * bounds.lower_gib * GIB <= measured <= 1.02 * bounds.upper_gib * GIB, row


def test_the_peak_of_a_repull_on_ext4():
    steps = {"4": ("other:v1", "real:v1"), "5": ("real:v2", "real:v1"), "7": ("real:v3", "bb:1")}
    for row in (row for row in rows("b_repull.csv") if row["fs"] == "ext4"):
        if row["step"].split()[0] not in steps:
            continue
        name, stored = (image(each, "ext4") for each in steps[row["step"].split()[0]])
        new = missing(name, chain_ids(stored))

        assert close(peak_gib(new) * GIB, int(row["peak_over_before"])), row


def test_xfs_sets_aside_the_next_power_of_two_for_a_blob():
    blobs = {("4", "b_repull.csv"): 90_222_592, ("5", "b_repull.csv"): 60_153_856}
    for (step, name), blob in blobs.items():
        for row in (row for row in rows(name) if row["fs"] == "xfs" and row["step"][0] == step):
            assert close(preallocated_gib(gib(blob)) * GIB, int(row["tmp_peak"]))
    single = {"syn1:1": 268_548_334, "small1k:1": 20_362_703}
    for row in (row for row in rows("c_pull_peak.csv") if row["fs"] == "xfs"):
        if row["image"] in single:
            aside = preallocated_gib(gib(single[row["image"]])) * GIB
            assert close(aside, int(row["tmp_peak"])), row


def test_df_shows_the_preallocated_blob_beside_a_large_layer_on_xfs():
    for row in (row for row in rows("c_pull_peak.csv") if row["image"] == "syn1:1"):
        if row["fs"] != "xfs":
            continue
        layers = image("syn1:1", "xfs")
        extra_gib = preallocated_gib(layers[1].compressed_gib) - layers[1].compressed_gib

        assert close((peak_gib(layers, fs="xfs") + extra_gib) * GIB, int(row["peak_over_before"]))


@pytest.mark.parametrize("pull_mibps", MEASURED_PULL_MIBPS)
@pytest.mark.parametrize("fs", FILE_SYSTEMS)
def test_a_pull_fails_where_it_failed(fs, pull_mibps):
    curve = pull_curve(image("real:v1", fs), pull_mibps, fs=fs)
    for row in (row for row in rows("f2_pull_enospc.csv") if row["fs"] == fs):
        expected = None
        if "GetImageBlob" in row["error"]:
            expected = "download"
        elif "failed to register layer" in row["error"]:
            expected = "register"

        failure = pull_failure(curve, gib(int(row["free_before"])))

        assert (failure.stage if failure else None) == expected, row


def test_a_failed_pull_speaks_as_docker_does():
    curve = pull_curve(image("real:v1", "ext4"), 250)

    early, late = pull_failure(curve, 0.1), pull_failure(curve, 1.5)

    assert early.error.startswith(
        "CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob"
    )
    assert "failed to register layer: Error processing tar file(exit status 1): write" in late.error
    assert early.at_s < late.at_s
    assert early.error.endswith("no space left on device")


def test_a_pull_fails_at_the_moment_the_volume_is_full():
    layers = [Layer("a", 1 - layer_gib(Layer("", 0, 0), "ext4"), 0.5)]
    curve = pull_curve(layers, pull_mibps=512, extract_mibps=1024)

    failing = [pull_failure(curve, free_gib) for free_gib in (0.25, 0.75, 1.49)]

    assert [failure.at_s for failure in failing] == pytest.approx([0.5, 1.25, 1.99])
    assert [failure.stage for failure in failing] == ["download", "register", "register"]
    assert pull_failure(curve, 1.5 + 1e-9) is None


def test_three_blobs_come_at_a_time():
    layers = equal_layers(0.004, 4.0, 4)
    curve = pull_curve(layers, pull_mibps=1024, extract_mibps=1e9)

    first_whole_s = next(m.at_s for m in curve if m.unpacked_gib > 0)

    assert first_whole_s == pytest.approx(3.0)  # three of 1 GiB share 1 GiB/s
    assert pull_curve(layers, 1024, 1e9, concurrent=1)[1].at_s == pytest.approx(1.0)


def test_one_layer_holds_its_blob_until_it_is_unpacked():
    plan = pull_plan([Layer("a", 1.0, 0.4)], pull_mibps=100, extract_mibps=100)

    assert plan.peak_extra_gib == pytest.approx(0.4, abs=1e-4)
    assert plan.duration_s == pytest.approx(14.336, rel=1e-3)
    assert plan.download_s == pytest.approx(4.096)


def test_a_stored_image_takes_nothing():
    layers = equal_layers(1.6, 0.55, 8)

    plan = pull_plan(layers, 100, present=chain_ids(layers))

    assert (plan.duration_s, plan.peak_extra_gib, plan.final_gib) == (0, 0, 0)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_a_rate_must_be_positive(rate):
    with pytest.raises(UserError, match="pull_mibps is"):
        pull_curve(equal_layers(1, 0.5, 2), rate)


@given(LAYERS, RATES, RATES, st.integers(1, 5))
def test_the_peak_lies_between_its_bounds_and_above_what_stays(layers, pull, extract, at_a_time):
    bounds = peak_bounds(layers)
    curve = pull_curve(layers, pull, extract, concurrent=at_a_time)
    peak = max(moment.total_gib for moment in curve)

    assert bounds.lower_gib - 1e-9 <= peak <= bounds.upper_gib + 1e-9
    assert peak >= curve[-1].total_gib - 1e-9


@given(LAYERS, RATES, RATES)
def test_bytes_are_conserved_through_a_pull(layers, pull, extract):
    curve = pull_curve(layers, pull, extract)
    end = curve[-1]

    assert end.blobs_gib == pytest.approx(0, abs=1e-9)
    assert end.unpacked_gib == pytest.approx(sum(layer_gib(each, "ext4") for each in layers))
    for before, after in itertools.pairwise(curve):
        assert after.at_s >= before.at_s
        assert after.unpacked_gib >= before.unpacked_gib - 1e-9
        grown = after.blobs_gib - before.blobs_gib
        assert grown <= pull / 1024 * (after.at_s - before.at_s) + 1e-9


@given(LAYERS, RATES, RATES)
def test_a_pull_takes_as_long_as_its_slower_part_at_least(layers, pull, extract):
    plan = pull_plan(layers, pull, extract)
    unpack_s = sum(layer_gib(layer, "ext4") for layer in layers) * 1024 / extract

    assert plan.duration_s >= max(plan.download_s, unpack_s) * (1 - 1e-9)
    assert plan.duration_s <= (plan.download_s + unpack_s) * (1 + 1e-9)
    assert pull_plan(layers, 2 * pull, extract).duration_s <= plan.duration_s * (1 + 1e-9)


@given(LAYERS, RATES, RATES, st.floats(0, 40))
def test_a_pull_fails_exactly_where_its_peak_does_not_fit(layers, pull, extract, free_gib):
    curve = pull_curve(layers, pull, extract)
    peak = max(moment.total_gib for moment in curve)

    assert (pull_failure(curve, free_gib) is not None) == (peak > free_gib)


def test_df_on_xfs_never_shows_less_than_a_pull_needs():
    for row in (row for row in rows("c_pull_peak.csv") if row["fs"] == "xfs"):
        need = peak_gib(image(row["image"], "xfs"), fs="xfs") * GIB

        assert int(row["peak_over_before"]) >= 0.98 * need, row
