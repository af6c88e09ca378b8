import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide import facts, units

FACTORS = {"B": 1 / units.GIB, "KiB": 1 / units.MIB, "MiB": 1 / 1024, "GiB": 1.0, "TiB": 1024.0}


@pytest.mark.parametrize("module", [units, facts])
def test_examples_in_docstrings_hold(module):
    outcome = doctest.testmod(module)

    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_a_gib_is_not_a_gb():
    assert units.gib(units.GIB) == 1
    assert units.mib(units.GIB) == 1024
    assert units.gib_from_gb(1.073741824) == 1
    assert units.mibps_from_mbyte(1.048576) == 1
    assert units.mibps_from_mbit(8.388608) == 1


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_shown_size_is_within_its_three_digits(size_gib):
    number, unit = units.show_size(size_gib).replace(",", "").split()

    assert float(number) * FACTORS[unit] == pytest.approx(size_gib, rel=0.0051)
    assert unit == "TiB" or float(number) < 1024


@pytest.mark.parametrize(
    ("size_gib", "shown"),
    [
        (1.6, "1.6 GiB"),
        (8, "8 GiB"),
        (999.4, "999 GiB"),
        (1023, "1,023 GiB"),
        (1024, "1 TiB"),
        (0.5, "512 MiB"),
        (1, "1 GiB"),
        (0.9999, "1 GiB"),
        (-0.5, "-512 MiB"),
        (1e-12, "0 GiB"),
        (None, "unknown"),
    ],
)
def test_sizes_are_shown_in_a_readable_unit(size_gib, shown):
    assert units.show_size(size_gib) == shown


@pytest.mark.parametrize(
    ("duration_s", "shown"),
    [
        (0, "0 s"),
        (0.3634, "0.363 s"),
        (9.99, "9.99 s"),
        (30, "30 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (270, "4 min 30 s"),
        (1862, "31 min 2 s"),
        (3599.6, "1 h"),
        (3600, "1 h"),
        (3629, "1 h"),
        (3631, "1 h 1 min"),
        (7170.4, "2 h"),
        (86_399, "1 d"),
        (93_784, "1 d 2 h"),
        (-90, "-1 min 30 s"),
        (math.inf, "for ever"),
        (None, "unknown"),
    ],
)
def test_durations_are_shown_in_two_units(duration_s, shown):
    assert units.show_duration(duration_s) == shown


@pytest.mark.parametrize(
    ("amount_usd", "shown"),
    [
        (0, "$0.00"),
        (0.1, "$0.10"),
        (0.0255, "$0.0255"),
        (0.00012345, "$0.000123"),
        (1, "$1.00"),
        (0.999999, "$1.00"),
        (0.9994, "$0.999"),
        (2.346, "$2.35"),
        (1e6, "$1,000,000.00"),
        (-0.08, "-$0.08"),
        (None, "unknown"),
    ],
)
def test_prices_keep_the_digits_that_matter(amount_usd, shown):
    assert units.show_usd(amount_usd) == shown


@pytest.mark.parametrize(
    ("count", "noun", "shown"),
    [(1, "job", "1 job"), (0, "job", "0 jobs"), (1000, "job", "1,000 jobs"), (2.5, "", "2.5")],
)
def test_counts_agree_with_their_noun(count, noun, shown):
    assert units.show_count(count, noun) == shown
