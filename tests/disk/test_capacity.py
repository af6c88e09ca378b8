"""What file systems leave of a volume, against file systems that were made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide import facts
from batchguide.disk.capacity import data_root, usable_gib
from batchguide.units import GIB
from docker_cases import FILE_SYSTEMS, close, rows

KERNELS_OWN_BYTES = 16 * 1024**2


@pytest.mark.parametrize("row", rows("usable_bytes.csv"), ids=str)
def test_a_made_file_system_has_what_is_said(row):
    fs, volume_gib = row["filesystem"], float(row["volume_gib"])
    hidden = min(KERNELS_OWN_BYTES, 0.02 * volume_gib * GIB) if fs == "ext4" else 0

    as_root = usable_gib(volume_gib, fs) * GIB
    as_other = usable_gib(volume_gib, fs, root=False) * GIB

    assert close(as_root, int(row["free_bytes"]) - hidden, 0.0002)
    assert close(as_other, int(row["available_bytes"]), 0.0002)


def test_the_measured_run_filled_what_is_said():
    for row in rows("g_summary.csv"):
        if row["first_fail_job"]:
            assert close(usable_gib(8, "ext4") * GIB, int(row["peak_used"]), 0.001)


@given(st.floats(0, 16_000), st.floats(0, 1_000), st.sampled_from(FILE_SYSTEMS), st.booleans())
def test_a_larger_volume_has_more_and_never_all(size_gib, more_gib, fs, root):
    usable = usable_gib(size_gib, fs, root=root)

    assert 0 <= usable <= size_gib
    assert usable_gib(size_gib, fs, root=True) >= usable
    # where mkfs doubles ext4's journal, up to half a GiB goes to it
    assert usable_gib(size_gib + more_gib, fs, root=root) >= usable - 0.52


@pytest.mark.parametrize(
    ("generation", "capacity_gib", "root_capacity_gib"),
    [("al1", 19.602, 6.26), ("al2", 26.7, None), ("al2023", 26.7, None)],
)
def test_each_generation_has_its_layout(generation, capacity_gib, root_capacity_gib):
    root = data_root(facts.ami_generations()[generation])

    assert root.capacity_gib == pytest.approx(capacity_gib, abs=0.01)
    assert root.root_capacity_gib == pytest.approx(root_capacity_gib, abs=0.02)
    assert root.per_container_limit_gib == (10 if generation == "al1" else None)


def test_a_custom_layout():
    al2023, al1 = (facts.ami_generations()[name] for name in ("al2023", "al1"))

    assert data_root(al2023, root_gib=100, used_at_boot_gib=0).capacity_gib == usable_gib(
        100, "xfs"
    )
    assert data_root(al1, data_gib=100).capacity_gib == pytest.approx(100 * 0.99 * 0.9)
    assert data_root(al2023, root_gib=2).capacity_gib == 0
