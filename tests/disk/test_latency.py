"""How long Docker takes on a busy volume, against the cells of a real Docker Engine."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide.disk import docker, latency
from batchguide.disk.latency import (
    NO_PRESSURE,
    TIMEOUT_TEXT,
    Pressure,
    create_s,
    inspect_starting_s,
    inspect_timeout_risk,
    operation_s,
    queued_mib,
    start_s,
    stop_s,
    tail,
)
from batchguide.disk.volume import Device, volume_device
from batchguide.errors import UserError
from docker_cases import FILE_SYSTEMS, rows

CELL_S = 240.0
OPERATIONS = {
    "create": "create",
    "inspect_while_starting": "start",
    "inspect_after_start": "settle",
}
THROTTLED = {"gp3_3000iops_125MiBps": (3_000, 125), "gp2_exhausted_100iops_13MiBps": (100, 13)}
FITTED = [
    *((f"{name}_{part}", "") for name in OPERATIONS.values() for part in ("idle_s", "writes")),
    *((f"{name}_waits", fs) for name in OPERATIONS.values() for fs in FILE_SYSTEMS),
    ("direct_queue_mib", ""),
    ("writer_processor_share", ""),
    ("fast_device_mibps", ""),
]
Parameters = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Cell:
    """One device, file system, pressure and operation, with the median that was measured."""

    device: str
    fs: str
    pressure: str
    operation: str
    median_s: float

    def predicted_s(self) -> float:
        """What the model says."""
        return operation_s(self.operation, self._device(), self.fs, self._pressure())

    def _device(self) -> Device:
        if self.device == "fast":
            return volume_device("instance-store", 100)
        return Device(*map(float, THROTTLED[self.device]))

    def _pressure(self) -> Pressure:
        """8 jobs write 20 MiB each and end: as much a second as jobs were completed."""
        if self.pressure == "none":
            return NO_PRESSURE
        if self.pressure == "8_jobs_20MiB":
            rate = COMPLETED[self.device, self.fs, self.pressure] / CELL_S
            return Pressure(jobs=8, job_mib=20, jobs_mibps=20 * rate)
        kind = "direct" if "direct" in self.pressure else "fsync"
        return Pressure(**{kind: 4})


COMPLETED = {
    (row["device"], row["fs"], row["pressure"]): int(row["jobs_completed"])
    for row in rows("e_pressure_cells.csv")
}
CELLS = [
    Cell(
        row["device"], row["fs"], row["pressure"], OPERATIONS[row["op"]], float(row["p50_ms"]) / 1e3
    )
    for row in rows("e_latency_pressure_summary.csv")
    if row["op"] in OPERATIONS
]
STARTS = [cell for cell in CELLS if cell.operation == "start"]
DEVICES = st.builds(Device, st.floats(100, 64_000), st.floats(10, 2_000))
PRESSURES = st.builds(
    Pressure,
    direct=st.floats(0, 8),
    fsync=st.floats(0, 8),
    jobs=st.floats(0, 64),
    job_mib=st.floats(0, 500),
    jobs_mibps=st.floats(0, 500),
)


def off_by(predicted_s: float, measured_s: float) -> float:
    """The factor between both, at least 1."""
    return math.exp(abs(math.log(predicted_s / measured_s)))


def logs(cells: Iterable[Cell], parameters: Parameters) -> np.ndarray:
    """Logarithms of predicted over measured, with other parameters than those of data/."""
    changed = {**docker.constants(), **parameters}
    with patch.object(docker, "constants", lambda: changed):
        return np.array([math.log(cell.predicted_s() / cell.median_s) for cell in cells])


def fitted(cells: list[Cell]) -> Parameters:
    """Gauss and Newton from the parameters of data/: least squares of the logarithms."""
    point = np.log([docker.constant(*key) for key in FITTED])
    for _ in range(6):
        there = logs(cells, dict(zip(FITTED, np.exp(point), strict=True)))
        columns = []
        for index in range(len(FITTED)):
            step = point.copy()
            step[index] += 1e-4
            moved = logs(cells, dict(zip(FITTED, np.exp(step), strict=True)))
            columns.append((moved - there) / 1e-4)
        slope = np.array(columns).T
        damped = slope.T @ slope + 1e-2 * np.eye(len(FITTED))
        point -= np.linalg.solve(damped, slope.T @ there)
    return dict(zip(FITTED, np.exp(point), strict=True))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_measured_median_is_met_within_a_factor_of_two(cell):
    assert off_by(cell.predicted_s(), cell.median_s) < 1.9


@pytest.mark.parametrize("cell", STARTS, ids=str)
def test_an_inspect_is_on_the_right_side_of_the_deadline(cell):
    assert off_by(cell.predicted_s(), cell.median_s) < 1.5
    assert (cell.predicted_s() > 30) == (cell.median_s > 30)


def test_a_cell_left_out_of_the_fit_is_still_met():
    worst = {"start": 1.0, "create": 1.0, "settle": 1.0}
    for cell in CELLS:
        rest = [other for other in CELLS if other is not cell]
        error = math.exp(abs(logs([cell], fitted(rest))[0]))
        worst[cell.operation] = max(worst[cell.operation], error)

    assert worst["start"] < 1.7
    assert max(worst.values()) < 2.6


def test_the_risk_is_the_share_of_inspects_that_timed_out():
    for row in rows("e_latency_pressure_summary.csv"):
        if row["op"] != "inspect_while_starting":
            continue
        [cell] = [
            each
            for each in STARTS
            if (each.device, each.fs, each.pressure) == (row["device"], row["fs"], row["pressure"])
        ]
        over, samples = int(row["over_30s"]), int(row["samples"])

        risk = inspect_timeout_risk(cell._device(), cell.fs, cell._pressure())

        assert abs(risk - over / samples) < 0.15, row


def test_few_containers_were_starting_at_a_time_in_the_cells():
    """By Little's law; so the measured times are those of about one start at a time."""
    starting = [
        COMPLETED[cell.device, cell.fs, cell.pressure] / CELL_S * cell.median_s
        for cell in STARTS
        if (cell.device, cell.fs, cell.pressure) in COMPLETED
    ]

    assert 0.5 < fmean(starting) < 1.5
    assert max(starting) < 2.2


def test_a_saturated_default_volume_starves_docker_and_an_idle_one_does_not():
    gp3, gp2_spent = volume_device("gp3", 30), volume_device("gp2", 30, credit=False)
    fsync = Pressure(fsync=4)

    assert inspect_timeout_risk(gp3, "xfs") < 1e-9
    assert inspect_timeout_risk(gp3, "xfs", fsync) > 0.8
    assert inspect_timeout_risk(gp2_spent, "xfs", fsync) > inspect_timeout_risk(gp3, "xfs", fsync)
    assert TIMEOUT_TEXT.startswith("CannotInspectContainerError: Could not transition")
    assert TIMEOUT_TEXT.endswith(f"waiting {docker.constant('inspect_timeout_s'):.0f}s")


def test_a_provisioned_volume_is_the_way_out():
    larger = volume_device("gp3", 100, 16_000, 1_000)

    assert inspect_timeout_risk(larger, "xfs", Pressure(fsync=4)) < 0.15


def test_more_starts_at_a_time_take_longer():
    device = Device(3_000, 125)
    times = [start_s(device, "ext4", starting=count) for count in (1, 12, 48)]

    assert times == sorted(times)
    assert times[2] > 4 * times[0]


def test_an_unknown_operation_is_refused():
    with pytest.raises(UserError, match="'restart'; allowed: create, start, settle, stop"):
        operation_s("restart", Device(3_000, 125), "ext4")


@given(DEVICES, PRESSURES, st.sampled_from(FILE_SYSTEMS), st.floats(1, 4), st.floats(1, 4))
def test_a_faster_device_is_never_slower(device, pressure, fs, more_iops, more_mibps):
    faster = Device(device.iops * more_iops, device.mibps * more_mibps)

    for seconds in (create_s, start_s, stop_s, inspect_starting_s, inspect_timeout_risk):
        assert seconds(faster, fs, pressure) <= seconds(device, fs, pressure) * (1 + 1e-9)


@given(DEVICES, PRESSURES, st.sampled_from(FILE_SYSTEMS), st.floats(0, 4), st.floats(0, 4))
def test_more_pressure_is_never_faster(device, pressure, fs, more_direct, more_fsync):
    more = Pressure(
        pressure.direct + more_direct,
        pressure.fsync + more_fsync,
        pressure.jobs,
        pressure.job_mib,
        pressure.jobs_mibps * 2,
    )

    assert queued_mib(more, device, fs) >= queued_mib(pressure, device, fs) * (1 - 1e-9)
    assert start_s(device, fs, more) >= start_s(device, fs, pressure) * (1 - 1e-9)


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.floats(0.05, 2))
def test_a_tail_is_a_probability_that_falls(median, limit, spread):
    assert 0 <= tail(median, limit, spread) <= 1
    assert tail(median, limit * 2, spread) <= tail(median, limit, spread)
    assert latency.tail(median, median, spread) == 0.5


def test_an_exhausted_volume_is_slower_for_its_iops_than_its_throughput_says():
    spent = volume_device("gp2", 30, credit=False)  # 128 MiB/s, but 100 writes of 256 KiB
    behind_s = 16.5 * 4 * 53 / 25

    assert start_s(spent, "ext4", Pressure(fsync=4)) == pytest.approx(
        behind_s + 255 / 100, rel=0.01
    )


def test_times_vary_more_with_fsyncing_writers():
    fast = volume_device("instance-store", 100)  # 1 of 23 inspects took more than 30 s

    assert inspect_starting_s(fast, "ext4", Pressure(fsync=4)) < 6
    assert inspect_timeout_risk(fast, "ext4", Pressure(fsync=4)) > 1e-4
