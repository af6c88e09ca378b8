"""What a disk chart draws: every moment once, and nothing above what the volume held."""

import numpy as np
import pytest

from batchguide.disk.outcome import COMPONENTS, Timeline, simulate
from batchguide.disk.scenario import Scenario
from batchguide.views.disk_data import disk_data, timeline_rows


def timeline(at_s, layers_gib):
    """A volume that holds image layers alone."""
    nothing = np.zeros(len(at_s))
    components = dict.fromkeys(COMPONENTS, nothing) | {"image layers": np.array(layers_gib)}
    return Timeline(np.array(at_s), components, nothing, nothing)


def test_states_of_one_moment_are_drawn_after_each_other():
    removed = timeline([0.0, 3600.0, 3600.0, 3600.0, 7200.0], [9.0, 6.0, 5.0, 2.0, 2.0])

    rows = timeline_rows(removed, np.arange(5))

    assert [row["t"] for row in rows] == [0, 3_600_000, 3_600_001, 3_600_002, 7_200_000]
    assert [row["image layers"] for row in rows] == [9, 6, 5, 2, 2]


@pytest.mark.parametrize("size_gib", [8, 60])
def test_the_rows_reach_the_peak_and_no_stack_goes_above(size_gib):
    bursts = [{"at_s": 0, "jobs": 300}, {"at_s": 300, "jobs": 300}]
    outcome = simulate(Scenario.from_dict({"bursts": bursts, "volume": {"size_gib": size_gib}}))

    rows = disk_data(outcome)["timeline"]

    moments = [row["t"] for row in rows]
    assert moments == sorted(set(moments)), "two rows of one moment would be stacked"
    stacked = [sum(row[name] for name in COMPONENTS) for row in rows]
    assert max(stacked) == pytest.approx(outcome.peak_used_gib, abs=1e-3)
