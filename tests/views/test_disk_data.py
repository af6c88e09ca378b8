"""What a disk chart draws: thinned without losing a peak, a failure or a gigabyte."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide import facts
from batchguide.disk.outcome import COMPONENTS, Timeline, simulate
from batchguide.disk.scenario import Burst, Scenario, load_scenario
from batchguide.views.disk_data import (
    COLUMNS,
    NO_DATA,
    disk_data,
    instance_shown,
    thinned,
    wrapped,
)


@pytest.fixture(scope="module")
def notes():
    return simulate(load_scenario(facts.data_path("scenarios", "notes-example.yaml")))


def timeline(at_s, used_gib):
    zero = np.zeros(len(at_s))
    components = dict.fromkeys(COMPONENTS, zero) | {"logs": np.asarray(used_gib, float)}
    return Timeline(np.asarray(at_s, float), components, zero, zero)


def extremes(at_s, used_gib, columns):
    """(lowest, highest) of each column of time, the slow way."""
    start, span = at_s[0], (at_s[-1] - at_s[0]) or 1.0
    found = {}
    for moment, used in zip(at_s, used_gib, strict=True):
        column = min(int((moment - start) / span * columns), columns - 1)
        low, high = found.get(column, (used, used))
        found[column] = (min(low, used), max(high, used))
    return found


@given(
    gaps=st.lists(st.floats(0.001, 50), min_size=2, max_size=400),
    seed=st.integers(0, 2**32 - 1),
    columns=st.integers(1, 20),
)
def test_thinning_keeps_the_extremes_of_every_column(gaps, seed, columns):
    at_s = np.cumsum(gaps)
    used = np.random.default_rng(seed).uniform(0, 30, len(at_s))

    kept = thinned(timeline(at_s, used), columns)

    assert extremes(at_s[kept], used[kept], columns) == extremes(at_s, used, columns)
    assert {0, len(at_s) - 1} <= set(kept.tolist())
    assert len(kept) <= max(4 * columns, len(at_s) if len(at_s) <= 4 * columns else 0)


def test_a_spike_among_a_hundred_thousand_points_and_the_moment_of_failure_stay():
    at_s = np.linspace(0, 86_400, 100_000)
    used = np.full(100_000, 4.0)
    used[61_234] = 7.9

    kept = thinned(timeline(at_s, used), always_s=[at_s[777]])

    assert {777, 61_234} <= set(kept.tolist())
    assert len(kept) <= 4 * COLUMNS + 1


def test_rows_hold_every_component_and_their_sum(notes):
    rows = disk_data(notes)["timeline"]

    assert max(row["used"] for row in rows) == pytest.approx(notes.peak_used_gib, abs=1e-3)
    for row in rows:
        assert row["used"] == pytest.approx(sum(row[name] for name in COMPONENTS), abs=1e-3)
    assert len(rows) <= 2000


def test_the_failure_stands_where_and_when_it_happened(notes):
    data = disk_data(notes)

    (failure,), (capacity,) = data["failures"], data["capacity"]
    assert failure["t"] == round(notes.first_failure.at_s * 1000)
    assert failure["gib"] == capacity["gib"] == notes.instances[0].capacity_gib
    assert notes.first_failure.error in failure["error"]
    assert capacity["ceiling"] > capacity["gib"]  # room for the text above the line
    before = [row for row in data["timeline"] if row["t"] <= failure["t"]]
    assert before[-1]["used"] == pytest.approx(capacity["gib"], rel=0.02)


def test_labels_lie_inside_their_bands(notes):
    data = disk_data(notes)
    rows = {row["t"]: row for row in data["timeline"]}

    assert {label["component"] for label in data["labels"]} >= {"stopped containers"}
    for label in data["labels"]:
        row, place = rows[label["t"]], COMPONENTS.index(label["component"])
        below = sum(row[name] for name in COMPONENTS[:place])
        assert below < label["gib"] < below + row[label["component"]]


def test_bursts_are_there_with_their_jobs(notes):
    assert [row["jobs"] for row in disk_data(notes)["bursts"]] == [200] * 5


def test_no_failure_and_no_instance_are_empty_not_wrong():
    fits = simulate(Scenario((Burst(0, 3),)))
    never = simulate(Scenario((Burst(0, 3),)).changed({"job": {"vcpus": 500}}))

    assert disk_data(fits)["failures"] == []
    assert {**disk_data(never), "bursts": []} == NO_DATA


def test_an_outcome_without_timelines_is_refused():
    outcome = simulate(Scenario((Burst(0, 3),)), timeline=False)

    with pytest.raises(ValueError, match="no timelines"):
        disk_data(outcome)


def instance(name, peak, capacity=10.0):
    return SimpleNamespace(instance=name, peak_used_gib=peak, capacity_gib=capacity)


@pytest.mark.parametrize(
    ("failed_on", "asked", "expected"),
    [
        (None, None, "i-2"),  # the fullest
        ("i-1", None, "i-1"),  # the first to fail
        ("i-1", "i-3", "i-3"),  # the one asked for
        (None, "i-9", "i-2"),  # one that is not there
    ],
)
def test_which_instance_is_shown(failed_on, asked, expected):
    failure = SimpleNamespace(instance=failed_on) if failed_on else None
    three = (instance("i-1", 4), instance("i-2", 9), instance("i-3", 5))
    outcome = SimpleNamespace(first_failure=failure, instances=three)

    assert instance_shown(outcome, asked).instance == expected


@given(st.text(max_size=600), st.integers(8, 60))
def test_wrapped_text_stays_in_its_box(text, longest):
    lines = wrapped(text, longest).split("\n")

    assert len(lines) <= 3
    assert all(len(line) <= longest for line in lines)
    assert not any(ord(letter) < 32 for line in lines for letter in line)
