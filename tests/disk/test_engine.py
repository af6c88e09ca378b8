"""The engine against hand-computed runs, the readable rules, and an independent model."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from oracle import Batch, Instance
from rules import GIB, MIB, make_rules, make_run_inputs, runs

from batchguide.disk import engine, play
from batchguide.disk.agent import TrackedImage, image_cycle
from batchguide.disk.agent_config import AgentSettings
from batchguide.disk.pull import Layer, pull_curve, pull_plan

PLAIN = engine.interpreted()
_GENERATE = (Phase.generate,)
FATES = {engine.SUCCEEDED: "succeeded", engine.FAILED: "failed", engine.WAITING: "waiting"}
quick = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)


def trace(rules, inputs, kernel=PLAIN):
    return play.play(rules, inputs, mode=engine.FULL_TRACE, kernel=kernel)


# --- by hand ----------------------------------------------------------------------------------


def test_two_waves_on_two_slots():
    rules = make_rules(slots=2, created=1.0, started=3.0, kept=2.0, wait_s=50.0)
    inputs = make_run_inputs(jobs=4, duration=100.0, writes=10 * MIB)

    run = trace(rules, inputs)

    begun = run.jobs.start[0]
    assert begun == pytest.approx(1e-6, abs=1e-5)  # an empty image
    assert run.jobs.start - begun == pytest.approx([0, 0, 100, 100])
    assert run.jobs.end - begun == pytest.approx([100, 100, 200, 200])
    # at 150 s two that stopped are about to be swept, and two have written half
    assert run.peaks() == pytest.approx([2 * (10 * MIB + 2) + 2 * (5 * MIB + 3)])


def test_the_volume_fills_when_arithmetic_says():
    rules = make_rules(slots=2, capacity=25 * MIB, created=0.0, started=0.0, kept=0.0, wait_s=1e6)
    inputs = make_run_inputs(jobs=6, duration=100.0, writes=10 * MIB)

    run = trace(rules, inputs)

    # 20 MiB after the first wave; 5 MiB more at 0.2 MiB/s are there 25 s later
    assert run.trace.failed_at[0] - run.jobs.start[0] == pytest.approx(125.0, abs=1e-3)
    assert run.trace.failed_job[:2].tolist() == [2, 3]
    assert {int(step) for step in run.trace.failed_step[:2]} == {engine.WRITE}
    assert [FATES[int(fate)] for fate in run.jobs.fate] == ["succeeded"] * 2 + ["failed"] * 4


@pytest.mark.parametrize(
    ("room", "step"),
    [(69.0, engine.CREATE), (70.0, engine.START), (95.0, engine.START), (96.0, None)],
)
def test_what_a_new_container_finds_no_room_for(room, step):
    rules = make_rules(capacity=room, created=70.0, started=96.0, kept=80.0)
    inputs = make_run_inputs(jobs=1, writes=0.0)

    run = trace(rules, inputs)

    failed = [int(each) for each in run.trace.failed_step[: run.failures]]
    assert failed == ([] if step is None else [step])


def test_a_failed_start_leaves_a_created_container_until_the_sweep():
    rules = make_rules(capacity=90.0, created=70.0, started=96.0, kept=80.0, wait_s=300.0)
    run = trace(rules, make_run_inputs(jobs=1, writes=0.0))

    assert run.peaks() == pytest.approx([70.0])
    assert run.of(engine.LEVEL) == pytest.approx([0.0], abs=1e-6)
    assert run.ended_at == pytest.approx(300.0, abs=1e-3)


def test_retries_go_before_new_jobs_and_a_full_instance_eats_the_queue():
    rules = make_rules(slots=1, capacity=50.0, created=70.0, attempts=2, failing_s=1.0)
    run = trace(rules, make_run_inputs(jobs=3, writes=0.0))

    order = run.trace.failed_job[: run.failures].tolist()
    assert order == [0, 0, 1, 1, 2, 2]
    assert np.diff(run.trace.failed_at[: run.failures]) == pytest.approx([1.0] * 5)


def test_a_pull_fails_five_times_with_the_agents_pauses():
    rules = make_rules(capacity=10 * MIB, pull_rate=10 * MIB, unpack_rate=10 * MIB)
    inputs = make_run_inputs(jobs=2, sizes=(100 * MIB,), packed=(30 * MIB,))

    run = trace(rules, inputs)

    # full after one second each time; pauses of 1.1, 2.2, 4.4 and 5 s
    assert run.trace.failed_at[:2] == pytest.approx([5 + 1.1 + 2.2 + 4.4 + 5] * 2, abs=1e-3)
    assert run.trace.failed_step[:2].tolist() == [engine.DOWNLOAD] * 2
    assert run.of(engine.LEVEL) == pytest.approx([0.0], abs=1e-3)


def test_two_containers_share_one_pull_and_one_copy():
    rules = make_rules(slots=2, wait_s=5.0, interval_s=0.0)
    inputs = make_run_inputs(jobs=2, writes=0.0, sizes=(200 * MIB,), packed=(100 * MIB,))

    run = trace(rules, inputs)

    assert run.jobs.start == pytest.approx([1 + 4] * 2)  # 100 MiB at 100, then 200 at 50
    assert run.of(engine.STORED) == pytest.approx([200 * MIB])
    assert run.peaks() == pytest.approx([300 * MIB + 0], rel=1e-6)


def test_a_second_burst_asks_for_nothing_while_instances_are_coming():
    late = make_run_inputs(jobs=8, writes=0.0, bursts=[(0.0, 4), (30.0, 4)])
    rules = make_rules(
        instances=0, max_instances=10, on_demand=True, boot_s=100.0, decision_s=10.0, idle_s=1e4
    )

    def instances(reacts):
        return trace(rules._replace(reacts=reacts), late).instances

    assert instances(reacts=False) == 1
    assert instances(reacts=True) == 2


def test_an_idle_instance_goes_and_its_bytes_with_it():
    rules = make_rules(instances=1, max_instances=3, on_demand=True, boot_s=5.0, idle_s=60.0)
    run = trace(rules, make_run_inputs(jobs=9, duration=100.0))

    gone = run.of(engine.GONE_AT)
    assert np.isfinite(gone).sum() == 2
    assert run.of(engine.LEVEL)[np.isfinite(gone)] == pytest.approx([0.0, 0.0])


# --- the readable rules -----------------------------------------------------------------------


@quick
@given(
    st.lists(st.tuples(st.floats(0.005, 0.5), st.floats(0.001, 0.3)), min_size=1, max_size=9),
    st.floats(20, 400),
    st.floats(20, 200),
)
def test_a_pull_takes_what_the_pull_plan_says(layers, pull_mibps, extract_mibps):
    listed = [Layer(f"l{at}", size, packed) for at, (size, packed) in enumerate(layers)]
    plan = pull_plan(listed, pull_mibps, extract_mibps, fs="xfs")
    curve = pull_curve(listed, pull_mibps, extract_mibps, fs="xfs")
    overhead = 34_000  # of a layer, on xfs: data/docker.csv
    inputs = make_run_inputs(
        jobs=1,
        writes=0.0,
        images=[tuple(range(len(layers)))],
        sizes=[size * GIB + overhead for size, _ in layers],
        packed=[packed * GIB for _, packed in layers],
    )
    rules = make_rules(
        capacity=1e15, pull_rate=pull_mibps * MIB, unpack_rate=extract_mibps * MIB, interval_s=0.0
    )

    run = trace(rules, inputs)

    assert run.jobs.start[0] == pytest.approx(plan.duration_s, rel=1e-6)
    most = max(moment.total_gib for moment in curve)
    assert run.peaks()[0] / GIB == pytest.approx(most, rel=1e-4)
    small = (12_000 + 8_700 * len(layers)) / GIB  # the image's own files, and records of layers
    assert run.of(engine.STORED)[0] / GIB == pytest.approx(plan.final_gib, abs=small + 1e-9)


@quick
@given(st.data())
def test_a_cycle_removes_what_the_agents_rules_remove(data):
    images = data.draw(st.integers(1, 7))
    keep = data.draw(st.integers(1, 4))
    age_s = data.draw(st.sampled_from([0.0, 500.0, 900.0, 2_000.0]))
    durations = data.draw(
        st.lists(st.floats(10, 900), min_size=images, max_size=images, unique=True)
    )
    rules = make_rules(
        slots=images, wait_s=30.0, interval_s=1_000.0, minimum_age_s=age_s, per_cycle=keep
    )
    inputs = make_run_inputs(
        jobs=images,
        duration=durations,
        writes=0.0,
        images=[(m,) for m in range(images)],
        sizes=[MIB * 2**m for m in range(images)],
        packed=[MIB] * images,
        image=list(range(images)),
    )

    run = trace(rules, inputs)
    stored = _stored_after(run, 1_000.0)

    environment = {
        "ECS_IMAGE_MINIMUM_CLEANUP_AGE": f"{age_s:g}s",
        "ECS_NUM_IMAGES_DELETE_PER_CYCLE": str(keep),
    }
    settings_ = AgentSettings.from_env(environment)
    swept = run.jobs.end + 30.0
    tracked = [
        TrackedImage(f"{m}", (f"n{m}",), float(run.jobs.start[m]), float(swept[m]))
        for m in range(images)
        if swept[m] < 1_000.0
    ]
    held = [m for m in range(images) if swept[m] >= 1_000.0]
    if age_s == 0:  # the agent reads 0 as not set
        settings_ = AgentSettings.from_env({**environment, "ECS_IMAGE_MINIMUM_CLEANUP_AGE": "1ns"})
    left = {int(each.image_id) for each in image_cycle(tracked, settings_, 1_000.0).images}
    assert stored == pytest.approx(sum(MIB * 2**m for m in left | set(held)), abs=1e6 * 0.01)


def _stored_after(run, at_s):
    """Image bytes right after an instant, from the trace: containers here write nothing."""
    rows = run.trace.at[: run.rows] <= at_s + 1e-6
    level = run.trace.level[: run.rows][rows][-1]
    return level - run.rules.at_boot


# --- an independent model ---------------------------------------------------------------------


def agree(rules, inputs, kernel=PLAIN):
    """Both play the run; every job, failure, level and peak is the same.

    Where two instances fail within rounding of each other, which goes first is anybody's guess, as
    is whether a container fits where just as much was freed. Such a run proves nothing.
    """
    other = Batch(rules, inputs).run()
    run = trace(rules, inputs, kernel)
    try:
        _same(run, other)
    except AssertionError:
        assume(not _coincide(other.failures) and not other.close_calls)
        raise


def _coincide(failures):
    """Whether two instances fail within a microsecond of each other."""
    ordered = sorted((at, instance) for at, _, instance, _ in failures)
    pairs = itertools.pairwise(ordered)
    return any(i != j and abs(at - then) < 1e-6 for (at, i), (then, j) in pairs)


def _same(run, other):
    fates = [FATES[int(fate)] for fate in run.jobs.fate]
    assert fates == other.fate
    assert run.jobs.instance.tolist() == other.place
    assert run.jobs.tries.tolist() == other.tries
    assert run.jobs.start == pytest.approx(other.start, abs=1e-4, rel=1e-9)
    assert run.jobs.end == pytest.approx(other.end, abs=1e-4, rel=1e-9)
    assert run.instances == other.known
    _same_failures(run, other)
    _same_levels(run, other)
    peaks = {each.number: each.peak for each in other.instances if each is not None}
    assert run.peaks()[list(peaks)] == pytest.approx(list(peaks.values()), abs=3_000)


def _same_failures(run, other):
    """Each job's failures, one after another; failures at one instant have no order."""
    count, kept = run.failures, run.trace
    ours = sorted(
        zip(
            kept.failed_instance[:count].tolist(),
            kept.failed_job[:count].tolist(),
            kept.failed_at[:count].tolist(),
            kept.failed_step[:count].tolist(),
            strict=True,
        )
    )
    theirs = sorted((instance, job, at, step) for at, job, instance, step in other.failures)
    assert [(i, j, step) for i, j, _, step in ours] == [(i, j, step) for i, j, _, step in theirs]
    assert [each[2] for each in ours] == pytest.approx([each[2] for each in theirs], abs=1e-3)


def _same_levels(run, other):
    """After each of the other's events the level is what the engine's trace says."""
    if run.rules.root_capacity < engine.INF:
        return  # two volumes: rates in the trace are those of both
    last = {(instance, at): level for at, instance, level, _ in other.trace}
    of = run.trace.instance[: run.rows]
    rows = {i: np.flatnonzero(of == i) for i in range(run.instances)}
    for (instance, at), level in last.items():
        mine = rows[instance]
        row = np.searchsorted(run.trace.at[mine], at + 1e-5, side="right") - 1
        rate = run.trace.rate[mine][row]
        ours = run.trace.level[mine][row] + rate * (at - run.trace.at[mine][row])
        assert ours == pytest.approx(level, abs=max(2_000, rate * 2e-4))


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)
@given(runs())
def test_the_engine_agrees_with_the_oracle_event_for_event(run):
    agree(*run)


SEEDED_BUGS = {
    "a sweep too early": ("now + wait_s", "now + 0.9 * wait_s"),
    "blobs never dropped": ("state[b + FLIGHT] -= layer_packed[lay]", "pass"),
    "a cycle at exactly the age": ("> rules.minimum_age_s", "> rules.minimum_age_s * 2"),
    "retries behind new jobs": ("if again_head < again_tail:", "if head >= arrived:"),
}


@pytest.mark.parametrize("bug", SEEDED_BUGS)
def test_the_oracle_finds_a_bug_seeded_in_the_engine(bug):
    """The comparison is not blind: each of these is seen within a few hundred runs."""
    right, wrong = SEEDED_BUGS[bug]
    source = Path(engine.__file__).read_text(encoding="utf-8")
    assert right.strip() in source
    scope = {"__name__": "seeded", "__file__": engine.__file__}
    exec(compile(source.replace(right.strip(), wrong.strip()), "seeded", "exec"), scope)
    kernel = engine.Kernel(scope["_run"], scope["_many"], lists=True)

    @settings(
        deadline=None, suppress_health_check=list(HealthCheck), max_examples=400, database=None,
        report_multiple_bugs=False, phases=_GENERATE,
    )  # fmt: skip
    @given(runs())
    def compare(run):
        agree(*run, kernel=kernel)

    with pytest.raises(AssertionError):
        compare()


def test_the_comparison_sees_a_bug_in_the_oracle(monkeypatch):
    monkeypatch.setattr(Instance, "pull_ceiling", property(lambda self: self.rules.burst_rate / 2))

    @settings(
        deadline=None, suppress_health_check=list(HealthCheck), max_examples=400, database=None,
        report_multiple_bugs=False, phases=_GENERATE,
    )  # fmt: skip
    @given(runs())
    def compare(run):
        agree(*run)

    with pytest.raises(AssertionError):
        compare()


# --- compiled, bounds-checked -----------------------------------------------------------------


def random_runs(count, seed):
    """The same random runs as the oracle's, without shrinking: (rules, inputs)."""
    found = []

    @settings(
        deadline=None, suppress_health_check=list(HealthCheck), max_examples=count, database=None,
        derandomize=True, phases=_GENERATE,
    )  # fmt: skip
    @given(runs())
    def collect(run):
        found.append(run)

    collect()
    return found


def same_bits(one, two):
    """Two runs are equal to the last bit, in all that comes out."""
    for ours, theirs in zip(one.jobs, two.jobs, strict=True):
        assert np.array_equal(ours, theirs)
    assert (one.failures, one.rows, one.instances) == (two.failures, two.rows, two.instances)
    assert one.ended_at == two.ended_at
    for name in ("at", "instance", "level", "rate"):
        ours, theirs = getattr(one.trace, name), getattr(two.trace, name)
        assert np.array_equal(ours[: one.rows], theirs[: one.rows])
    assert np.array_equal(one.book.state, two.book.state)


def test_compiled_and_as_it_stands_are_equal_to_the_last_bit():
    compiled = play.kernel_for("compiled")
    for rules, inputs in random_runs(120, seed=1):
        same_bits(trace(rules, inputs), trace(rules, inputs, compiled))


BOUNDS_CHECKED = """
import os, sys
sys.path[:0] = {path!r}
from test_engine import random_runs, same_bits, trace
from batchguide.disk import engine, play
import numba
assert numba.config.BOUNDSCHECK == 1
compiled = engine.compiled()
for rules, inputs in random_runs(80, seed=2):
    same_bits(trace(rules, inputs), trace(rules, inputs, compiled))
print("checked")
"""


def test_the_compiled_engine_never_leaves_its_arrays(tmp_path):
    """numba checks no index unless told to; a prototype once wrote over the heap in silence."""
    script = BOUNDS_CHECKED.format(path=[p for p in sys.path if p.endswith(("tests", "disk"))])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "NUMBA_BOUNDSCHECK": "1",
            "NUMBA_CACHE_DIR": str(tmp_path),
            "PATH": "/usr/bin",
            "NUMBA_OPT": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.stdout.strip() == "checked", done.stderr[-2_000:]


def test_replications_are_the_runs_one_by_one():
    cases = [make_run_inputs(jobs=40, duration=np.random.default_rng(k).lognormal(5, 1, 40),
                             writes=np.random.default_rng(k + 9).lognormal(3, 1, 40) * MIB,
                             sizes=(100 * MIB * (1 + k),), packed=(50 * MIB,))
             for k in range(5)]  # fmt: skip
    rules = make_rules(capacity=0.6 * GIB, slots=6)
    joined = cases[0]._replace(
        **{
            name: np.concatenate([getattr(case, name) for case in cases])
            for name in ("duration", "writes", "image", "jitter", "layer_bytes", "layer_packed")
        }
    )

    together = play.replicate(rules, [joined], kernel=PLAIN)

    alone = [play.play(rules, case, kernel=PLAIN) for case in cases]
    assert together.peak.tolist() == [run.peaks().max() for run in alone]
    assert together.failed.tolist() == [run.failures for run in alone]
    assert 0 < sum(run.failures > 0 for run in alone) < 5


# --- what a screen shows ----------------------------------------------------------------------


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=40)
@given(runs(), st.integers(3, 60))
def test_columns_lose_neither_the_peak_nor_the_lowest_point(run, columns):
    rules, inputs = run
    if rules.root_capacity < engine.INF:
        return
    full = trace(rules, inputs)
    column_s = max(full.ended_at, 1e-3) / columns
    shown = play.play(
        rules, inputs, mode=engine.ENVELOPE, kernel=PLAIN, columns=columns, column_s=column_s
    )
    shots = shown.trace.snapshots.reshape(-1, columns, 2, engine.SNAPSHOT)
    for i in range(full.instances):
        mine = full.trace.instance[: full.rows] == i
        if not mine.any():
            continue
        known = shots[i][shots[i][:, 1, 0] >= 0]
        assert known[:, 1, 1].max() == pytest.approx(full.peaks()[i], rel=1e-9, abs=1)
        at, level = full.trace.at[: full.rows][mine], full.trace.level[: full.rows][mine]
        column = np.minimum((at / column_s).astype(int), columns - 1)
        for c in np.unique(column):
            if full.of(engine.GONE_AT)[i] < engine.INF:
                continue
            assert shots[i, c, 1, 1] >= level[column == c].max() - 1
            assert shots[i, c, 0, 1] <= level[column == c].min() + 1
        parts = shots[i][..., 2:9].sum(axis=-1)
        seen = shots[i][..., 0] >= 0
        assert parts[seen] == pytest.approx(shots[i][..., 1][seen], rel=1e-9, abs=10)
