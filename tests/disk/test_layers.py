"""Layers against a real Docker Engine, and the laws of what is stored once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide.disk.layers import (
    Layer,
    blocks_gib,
    bytes_added,
    bytes_added_together,
    bytes_freed,
    chain_ids,
    equal_layers,
    files_gib,
    missing,
)
from batchguide.errors import UserError
from batchguide.units import GIB, gib
from docker_cases import FILE_SYSTEMS, close, image, rows

STOCK = [Layer(digest, 0.9**at * at, 0.3 * at) for at, digest in enumerate("abcdef")]
LAYERS = st.lists(st.sampled_from(STOCK), min_size=1, max_size=8)


@pytest.mark.parametrize("fs", FILE_SYSTEMS)
def test_images_take_what_they_took(fs):
    base = image("bb:1", fs)
    for row in rows(f"a_images_{fs}.csv"):
        layers, again = image(row["image"], fs), int(row["rep"]) > 0
        first = row["image"] == "bb:1" and not again
        present = () if first or row["image"].startswith("real") else chain_ids(base)
        seen = [layer.digest for layer in layers] if again else []

        added = bytes_added(layers, present, fs, seen=seen, empty_store=first) * GIB

        assert close(added, int(row["df_added"])), row


REPULLS = {
    "1": ("real:v1", ()),
    "2": ("real:v1", ("real:v1",)),
    "3": ("real:v1", ("real:v1",)),
    "4": ("other:v1", ("real:v1",)),
    "5": ("real:v2", ("real:v1", "other:v1")),
    "6": ("real:v4", ("real:v1", "other:v1", "real:v2")),
    "7": ("real:v3", ("real:v1", "other:v1", "real:v2", "real:v4")),
}


@pytest.mark.parametrize("fs", FILE_SYSTEMS)
def test_a_pull_adds_only_the_chains_not_stored(fs):
    for row in rows("b_repull.csv"):
        step = row["step"].split()[0]
        if row["fs"] != fs or step not in REPULLS:
            continue
        name, stored = REPULLS[step]
        present = {chain for each in stored for chain in chain_ids(image(each, fs))}

        added = bytes_added(image(name, fs), present, fs, empty_store=step == "1") * GIB

        assert close(added, int(row["df_added"])), row
        assert len(missing(image(name, fs), present)) == int(row["layers_downloaded"]), row


REMOVALS = {
    "8": (("real:v2", "real:v4"), ("real:v1", "other:v1", "real:v3")),
    "9": (("real:v1",), ("other:v1", "real:v3")),
    "10": (("other:v1",), ("real:v3",)),
    "11": (("real:v3",), ()),
}


@pytest.mark.parametrize("fs", FILE_SYSTEMS)
def test_a_removal_frees_only_the_chains_nobody_holds(fs):
    for row in rows("b_repull.csv"):
        step = row["step"].split()[0]
        if row["fs"] != fs or step not in REMOVALS:
            continue
        names, holders = REMOVALS[step]
        held = {chain for name in holders for chain in chain_ids(image(name, fs))}

        freed = 0.0
        for name in names:
            freed += bytes_freed(image(name, fs), held, fs) * GIB

        assert close(freed, -int(row["df_added"])), row


def test_an_image_held_by_a_stopped_container_frees_nothing():
    layers = image("real:v1", "ext4")

    assert bytes_freed(layers, chain_ids(layers)) == 0


def test_equal_layers_keep_the_image_size():
    layers = equal_layers(1.6, 0.55, 8)

    assert sum(layer.size_gib for layer in layers) == pytest.approx(1.6)
    assert sum(layer.compressed_gib for layer in layers) == pytest.approx(0.55)
    assert len(set(chain_ids(layers))) == 8


def test_an_image_without_layers_is_refused():
    with pytest.raises(UserError, match="at least 1 layer, not 0"):
        equal_layers(1.6, 0.55, 0)


@pytest.mark.parametrize(
    ("name", "share"),
    [("real:v1", 0.02), ("syn64:1", 0.02), ("small1k:1", 0.02)],
)
def test_blocks_are_estimated_from_bytes_and_files(name, share):
    [row, *_] = [row for row in rows("a_images_ext4.csv") if row["image"] == name]

    estimate = blocks_gib(gib(int(row["content_bytes"])), int(row["files"])) * GIB

    assert close(estimate, int(row["content_4k_rounded"]), share)


def test_a_file_of_one_block_takes_15_percent_more_on_xfs():
    in_blocks_gib = gib(20_000 * 4096)

    on_xfs_gib = files_gib(in_blocks_gib, files=20_000, directories=0, fs="xfs")

    assert on_xfs_gib / in_blocks_gib == pytest.approx(1.14, abs=0.01)
    assert files_gib(in_blocks_gib, 20_000, 0, "ext4") / in_blocks_gib < 1.02


@given(LAYERS)
def test_a_digest_pulled_again_adds_nothing(layers):
    assert bytes_added(layers, chain_ids(layers)) == 0


@given(LAYERS, LAYERS)
def test_sharing_never_costs_more_than_separate_stores(one, other):
    together = bytes_added_together([one, other])

    assert together <= bytes_added(one) + bytes_added(other) + 1e-9
    assert together >= max(bytes_added(one), bytes_added(other)) - 1e-9


@given(LAYERS, LAYERS)
def test_what_a_pull_added_a_removal_gives_back_but_the_records(one, other):
    held = chain_ids(other)
    new = missing(one, held)

    added, freed = bytes_added(one, held), bytes_freed(one, held)

    assert added - freed == pytest.approx(gib(8_700) * len(new), abs=1e-12)


@given(LAYERS, st.text(min_size=1, max_size=4))
def test_another_base_makes_every_layer_another(layers, base):
    rebased = [Layer(f"other {base}", 1, 1), *layers]

    assert not set(chain_ids(layers)) & set(chain_ids(rebased))
