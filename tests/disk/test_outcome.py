"""The outcome: the notes' example, the measured cases, the contract; nothing lost on the way."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from batchguide.disk import draws, engine, play
from batchguide.disk.advice import estimate
from batchguide.disk.outcome import COMPONENTS, simulate
from batchguide.disk.scenario import Scenario
from batchguide.units import GIB

CASES = Path(__file__).parents[1] / "cases" / "docker"
NOTES = {
    "name": "the notes' example",
    "job": {
        "vcpus": 1,
        "memory_mib": 8192,
        "duration_s": {"median": 270, "p95": 290},
        "writes_mib": 20,
        "logs_mib": 0.1,
    },
    "image": {"size_gib": 1.6, "compressed_gib": 0.55, "layers": 8},
    "instance": {"type": "r5.24xlarge"},
    "volume": {"type": "gp2", "size_gib": 8, "used_gib": 0},
    "agent": {"profile": "ecs-default"},
    "bursts": [{"at_s": 150 * k, "jobs": 200} for k in range(5)],
}


def notes(**changes):
    return Scenario.from_dict(NOTES).changed(changes)


def run(scenario):
    return simulate(scenario, engine="interpreted")


# --- the notes' example -----------------------------------------------------------------------


def test_on_8_gib_stopped_containers_fill_the_volume():
    outcome = run(notes())

    first = outcome.first_failure
    assert first is not None
    free_gib = outcome.instances[0].capacity_gib - 1.6
    linear = free_gib * 1024 / 20.2  # jobs whose 20 MiB and overhead fit beside the image
    assert first.job == pytest.approx(linear, rel=0.15)
    assert first.component == "running containers"
    assert "No space left on device" in first.error
    assert outcome.jobs_failed == 1_000 - outcome.jobs_succeeded > 600
    assert outcome.held_gib["stopped containers"] > 0.6 * free_gib
    assert outcome.verdict.startswith("The volume is full after ")
    assert "stopped containers" in outcome.verdict


@pytest.mark.parametrize(
    "change",
    [
        {"volume": {"size_gib": 30}},
        {"volume": {"size_gib": 100}},
        {"agent": {"profile": "batch-managed"}},
        {"job": {"scratch_cleaned": True}},
    ],
)
def test_what_would_not_have_failed(change):
    outcome = run(notes(**change))

    assert outcome.first_failure is None
    assert outcome.jobs_succeeded == 1_000
    assert outcome.verdict.startswith("No volume fills")


def test_on_todays_default_it_is_the_same_bytes_on_a_larger_volume():
    small, large = run(notes(volume={"size_gib": 30})), run(notes(volume={"size_gib": 100}))
    needed_gib = 1.6 + 1_000 * (20 + 0.1 + 0.075) / 1024
    assert small.peak_used_gib == pytest.approx(needed_gib, rel=0.01)
    assert large.peak_used_gib == pytest.approx(small.peak_used_gib, rel=1e-9)


@pytest.mark.parametrize(("size_gib", "copies"), [(8, 4), (30, 18), (100, 61)])
def test_a_fresh_copy_for_each_job_would_not_get_as_far(size_gib, copies):
    """The notes' belief, played: the first burst alone would fill even 100 GiB."""
    belief = {"storage": "fresh-copy-per-job"}
    outcome = run(notes(image=belief, volume={"size_gib": size_gib}))

    assert outcome.first_failure is not None
    assert outcome.first_failure.at_s == 0.0
    assert outcome.first_failure.job == copies + 1
    assert outcome.first_failure.error.startswith("CannotPullContainerError")
    assert outcome.held_gib["image layers"] == pytest.approx(1.6 * copies, rel=1e-3)


def test_fewer_slots_than_the_vcpus_promise():
    """768 GiB are sold, less is registered: not 96 jobs of 8 GiB at a time."""
    on = draws.ground(notes())
    assert 90 <= on.slots < 96


# --- measured ---------------------------------------------------------------------------------


def measured(name):
    with (CASES / "g_summary.csv").open(newline="", encoding="utf-8") as file:
        return next(row for row in csv.DictReader(file) if row["scenario"].startswith(name))


def scaled(row):
    """The measured run: 12 at a time on an 8 GiB ext4 data root, 20 MiB each, no network pull."""
    wait_s = 1e7 if row["retention_s"] == "never" else float(row["retention_s"])
    jobs, bursts = int(row["jobs_per_burst"]), int(row["bursts"])
    burst_s = float(row["makespan_s"]) / bursts if row["jobs_failed"] == "0" else 20.0
    image_gib = float(row["image_df"]) / GIB
    return Scenario.from_dict(
        {
            "job": {
                "vcpus": 1, "memory_mib": 64, "duration_s": 1.9,
                "writes_mib": float(row["scratch_mib"]), "logs_mib": 0,
            },
            "image": {"size_gib": image_gib, "compressed_gib": 0.54, "layers": 8},
            "instance": {"vcpus": int(row["concurrency"]), "memory_mib": 8_192, "ami": "custom"},
            "volume": {
                "size_gib": 8, "used_gib": 0, "file_system": "ext4", "type": "instance-store"
            },
            "agent": {"profile": "ecs-default", "task_cleanup_wait_s": wait_s},
            "pull_mibps": 1_000,
            "bursts": [{"at_s": 60 + k * burst_s, "jobs": jobs} for k in range(bursts)],
        }
    )  # fmt: skip


@pytest.mark.parametrize("name", ["no_cleanup rep1", "no_cleanup, mkfs", "cleanup_after_120s"])
def test_the_first_failing_job_is_the_measured_one_within_5_percent(name):
    row = measured(name)

    outcome = run(scaled(row))

    assert outcome.first_failure is not None
    assert outcome.first_failure.job == pytest.approx(int(row["first_fail_job"]), rel=0.05)
    assert outcome.jobs_succeeded == pytest.approx(int(row["jobs_ok"]), rel=0.05)
    assert outcome.peak_used_gib * GIB == pytest.approx(float(row["peak_used"]), rel=0.02)


def test_with_containers_removed_after_10_s_all_succeed_as_measured():
    row = measured("cleanup_after_10s")

    outcome = run(scaled(row))

    assert outcome.jobs_failed == 0
    # 12 at a time; how many are kept in 10 s follows from how fast they were measured to run
    kept_s, rate = 10.0, 1_000 / float(row["makespan_s"])
    assert outcome.peak_used_gib * GIB < float(row["peak_used"]) * 1.3
    assert outcome.peak_used_gib * GIB > 1.72e9 + 0.5 * kept_s * rate * 21.09e6


def test_bytes_after_so_many_jobs_are_the_measured_ones_within_2_percent():
    """The measured timeline: what was on the volume when so many jobs had ended."""
    with (CASES / "g_timeline.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["scenario"] == "no_cleanup rep1"]
    idle = [
        row for row in rows if row["containers_running"] == "0" and 0 < int(row["jobs_ok"]) < 300
    ]
    assert idle
    for row in idle:
        done = int(row["jobs_ok"])
        base = scaled(measured("no_cleanup rep1"))
        some = base.changed({"bursts": [{"at_s": 60, "jobs": done}]})
        curve = run(some).instances[0].timeline
        assert curve is not None
        assert curve.used_gib.max() * GIB == pytest.approx(float(row["df_used"]), rel=0.02)


# --- answers, not exceptions ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"instance": {"type": "m5.large"}, "job": {"memory_mib": 8_192}},
        {"job": {"vcpus": 97}},
        {"job": {"gpus": 1}},
        {"fleet": {"scale_out": "on-demand", "max_vcpus": 64}},
    ],
)
def test_a_job_that_fits_nowhere_is_an_answer(change):
    outcome = run(notes(**change))

    assert outcome.verdict.startswith("no slot: ")
    assert (outcome.jobs_submitted, outcome.jobs_succeeded, outcome.instances) == (1_000, 0, ())
    assert json.dumps(outcome.to_dict(timeline=True), allow_nan=False)


def test_amazon_linux_1_keeps_a_tenth_of_its_pool():
    first = run(notes(instance={"ami": "al1"}, volume={"size_gib": 9, "used_gib": 1.5}))
    assert first.instances[0].capacity_gib == pytest.approx(9 * 0.99 * 0.9)
    assert first.first_failure is not None


def test_amazon_linux_1_gives_a_container_10_gib_with_its_image():
    one = notes(
        instance={"ami": "al1"},
        volume={"size_gib": 50, "used_gib": None},
        job={"writes_mib": 9_000, "duration_s": 100},
        bursts=[{"at_s": 0, "jobs": 1}],
    )
    first = run(one).first_failure
    assert first is not None
    assert first.at_s == pytest.approx(100 * (10 - 1.6) * 1024 / 9_000, rel=0.3)
    assert run(one.changed({"instance": {"ami": "al2023"}})).first_failure is None


# --- the contract -----------------------------------------------------------------------------


def test_the_document_has_what_the_contract_says():
    document = run(notes()).to_dict()

    assert document["schema"] == 1
    assert set(document["jobs"]) == {"submitted", "succeeded", "failed"}
    assert set(document["first_failure"]) == {"at_s", "job", "instance", "component", "error"}
    assert isinstance(document["peak_used_gib"], float)
    assert document["scenario"]["volume"]["size_gib"] == 8.0
    (instance,) = document["instances"]
    assert {"instance", "capacity_gib", "peak_used_gib", "containers_peak"} <= set(instance)
    assert "timeline" not in instance
    assert Scenario.from_dict(document["scenario"]) == notes()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_timeline_has_all_components_and_the_peak():
    outcome = run(notes())
    document = outcome.to_dict(timeline=True)
    curve = document["instances"][0]["timeline"]

    assert tuple(curve["components"]) == COMPONENTS
    assert {len(values) for values in curve["components"].values()} == {len(curve["at_s"])}
    assert curve["at_s"] == sorted(curve["at_s"])
    used = np.sum([curve["components"][name] for name in COMPONENTS], axis=0)
    assert used.max() == pytest.approx(outcome.peak_used_gib, rel=1e-6)
    assert used.min() >= 0
    full = used >= outcome.instances[0].capacity_gib * (1 - 1e-6)
    assert outcome.first_failure is not None
    assert np.min(np.abs(np.array(curve["at_s"])[full] - outcome.first_failure.at_s)) < 1.0
    assert max(curve["containers_retained"]) > 250
    assert len(curve["at_s"]) <= 2_400


def test_a_timeline_changes_no_answer():
    with_, without = run(notes()), simulate(notes(), timeline=False, engine="interpreted")
    assert with_.verdict == without.verdict
    assert with_.failures == without.failures


def test_the_same_seed_gives_the_same_outcome_and_another_seed_another():
    one, two, other = run(notes()), run(notes()), run(notes(seed=1))
    assert one.to_dict(timeline=True) == two.to_dict(timeline=True)
    assert other.finished_at_s != one.finished_at_s


def test_a_small_step_of_an_input_is_a_small_step_of_the_outcome():
    """Draws are fixed and rescaled: what moves on a slider does not jump."""
    peaks = [
        run(notes(volume={"size_gib": 100}, job={"writes_mib": {"median": m, "p95": 60}}))
        for m in (20.0, 20.1, 20.2)
    ]
    steps = np.diff([outcome.peak_used_gib for outcome in peaks])
    assert np.all(np.abs(steps) < 0.01 * peaks[0].peak_used_gib)


def test_the_draws_of_a_job_do_not_depend_on_how_many_there_are():
    few, many = notes(bursts=[{"at_s": 0, "jobs": 10}]), notes(bursts=[{"at_s": 0, "jobs": 1_000}])
    on = draws.ground(few)
    ours = draws.inputs_of(few, on).duration
    assert ours.tolist() == draws.inputs_of(many, on).duration[:10].tolist()


def test_estimate_without_extras_is_the_document():
    assert estimate(notes()) == simulate(notes()).to_dict()


# --- nobody waits for a compiler --------------------------------------------------------------

ANSWERS_AT_ONCE = """
import sys, time
from batchguide.disk import play
from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import Scenario, Burst
kernel = play.kernel_for("auto")
assert kernel.lists, "nothing is compiled yet"
print(simulate(Scenario((Burst(0, 20),)), timeline=False).jobs_succeeded)
if play._COMPILER.loader is not None:
    play._COMPILER.loader.join()
if play._COMPILER.child is not None:
    play._COMPILER.child.kill()
"""


def test_the_first_answer_comes_before_the_compiler(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ANSWERS_AT_ONCE],
        env={"PATH": os.environ["PATH"], "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "20", done.stderr


def test_without_a_place_for_a_cache_it_runs_all_the_same(monkeypatch):
    monkeypatch.setattr(engine, "_marker", lambda: None)
    engine.can_cache.cache_clear()
    try:
        assert not engine.can_cache()
        assert not engine.is_cached()
        engine.compile_into_cache(lambda kernel: pytest.fail("there is nowhere to compile to"))
        assert play.kernel_for("interpreted").lists
        assert simulate(notes(), engine="interpreted").jobs_submitted == 1_000
    finally:
        monkeypatch.undo()
        engine.can_cache.cache_clear()


# --- at the edges of what a scenario may say ----------------------------------------------------


@pytest.mark.parametrize("at_s", [8_000_000, 10_000_000, 50_000_000])
def test_a_pull_ends_however_late_it_starts(at_s):
    """Past 2^23 s a clock of 64 bits is coarser than the last hundredth of a byte takes."""
    late = Scenario.from_dict({"bursts": [{"at_s": 0, "jobs": 1}, {"at_s": at_s, "jobs": 3}]})

    outcome = run(late)

    assert outcome.jobs_succeeded == 4
    assert at_s < outcome.finished_at_s < at_s + 600


@pytest.mark.parametrize("volume", [{"size_gib": 8, "used_gib": 100}, {"size_gib": 1}])
def test_a_volume_that_the_system_fills_is_no_larger_for_it(volume):
    outcome = run(Scenario.from_dict({"bursts": [{"at_s": 0, "jobs": 2}], "volume": volume}))

    (only,) = outcome.instances
    assert only.capacity_gib < volume["size_gib"]
    assert only.peak_used_gib <= only.capacity_gib
    assert outcome.jobs_failed == 2


def test_memory_reserved_beyond_what_there_is_leaves_none():
    outcome = run(
        notes(
            agent={"reserved_memory_mib": 65_535},
            instance={"vcpus": 2, "memory_mib": 1_000, "type": None},
        )
    )

    assert "2 vCPUs and 0 MiB for jobs" in outcome.verdict
