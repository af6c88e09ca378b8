"""What must hold of any run, whatever the numbers."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules import MIB, make_rules, make_run_inputs, runs

from batchguide.disk import engine, play

PLAIN = engine.interpreted()
law = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=80)


def trace(rules, inputs):
    return play.play(rules, inputs, mode=engine.FULL_TRACE, kernel=PLAIN)


def full_at(run, capacity):
    """When a volume first was full; infinite if it never was.

    A pull that finds no room fails only after the agent's last attempt, so the moment of the first
    failure may be later than that.
    """
    steps = run.trace.failed_step[: run.failures]
    failed = run.trace.failed_at[: run.failures][steps != engine.LIMIT]
    reached = [reached_at(run, instance, capacity) for instance in range(run.instances)]
    return min(failed.min(initial=np.inf), *reached)


def reached_at(run, instance, capacity):
    """When an instance's level, linear between the events of the trace, first was its capacity."""
    here = run.trace.instance[: run.rows] == instance
    at, level, rate = (
        column[: run.rows][here] for column in (run.trace.at, run.trace.level, run.trace.rate)
    )
    before_next = level[:-1] + rate[:-1] * np.diff(at)
    return at[1:][before_next >= capacity - 1_000].min(initial=np.inf)


@law
@given(runs())
def test_bytes_are_conserved(run):
    rules, inputs = run
    played = trace(rules, inputs)
    here = played.of(engine.GONE_AT) == engine.INF
    columns = (
        engine.STORED, engine.FLIGHT, engine.BY_RUNNING, engine.BY_STOPPED, engine.LOGS,
        engine.OTHER,
    )  # fmt: skip
    parts = sum(played.of(column) for column in columns)
    level = played.of(engine.LEVEL) + played.of(engine.ROOT)
    born = played.of(engine.MOVED_AT) >= 0
    assert (level - rules.at_boot)[here & born] == pytest.approx(parts[here & born], abs=10)


@law
@given(runs())
def test_what_was_written_is_freed_when_its_time_has_come_and_not_before(run):
    rules, inputs = run
    played = trace(rules._replace(interval_s=0.0), inputs)
    here = played.of(engine.GONE_AT) == engine.INF
    for column in (engine.BY_RUNNING, engine.BY_STOPPED, engine.LOGS, engine.FLIGHT):
        assert played.of(column)[here] == pytest.approx(0.0, abs=10)
    # only what the first container leaves for good
    assert set(np.round(played.of(engine.OTHER)[here])) <= {0.0, round(rules.first)}
    rows = played.book.swept_at[: (played.jobs.tries > 0).sum()]
    last = played.jobs.end.max() + rules.wait_s + rules.jitter_s
    assert played.ended_at <= max(last, rows.max(initial=0.0)) + rules.idle_s + rules.boot_s + 1e-3


@law
@given(runs())
def test_no_level_is_above_the_capacity_or_below_nothing(run):
    rules, inputs = run
    played = trace(rules, inputs)
    level = played.trace.level[: played.rows]
    top = max(rules.capacity, rules.at_boot)
    assert level.max(initial=0.0) <= top + 1_000
    assert level.min(initial=0.0) >= -1.0
    assert played.peaks().max(initial=0.0) <= top + 1_000


@law
@given(runs(), st.floats(1.05, 4.0))
def test_more_volume_is_never_full_earlier(run, factor):
    rules, inputs = run
    small = trace(rules, inputs)
    more = rules.capacity * factor
    large = trace(rules._replace(capacity=more), inputs)
    assert full_at(large, more) >= full_at(small, rules.capacity) - 1e-3


@law
@given(runs(), st.floats(1.1, 5.0))
def test_a_longer_wait_never_uses_less(run, factor):
    rules, inputs = run
    # nothing fills, so that the jobs run alike; the scheduler does not see the disk
    wide = rules._replace(
        capacity=1e15, root_capacity=1e15 if rules.root_capacity < 1e15 else engine.INF,
        on_demand=False, instances=max(rules.instances, 1), interval_s=0.0, jitter_s=0.0,
    )  # fmt: skip
    short, long = trace(wide, inputs), trace(wide._replace(wait_s=wide.wait_s * factor), inputs)
    assert np.all(long.peaks() >= short.peaks() - 1.0)


@law
@given(runs())
def test_with_no_writes_the_curve_is_images_only(run):
    rules, inputs = run
    silent = rules._replace(log=0.0, created=0.0, started=0.0, kept=0.0, first=0.0)
    quiet = inputs._replace(writes=np.zeros(len(inputs.writes)))
    played = trace(silent, quiet)
    assert played.of(engine.BY_STOPPED).max() == 0.0
    at_most = inputs.layer_bytes.sum() + inputs.layer_packed.sum() + rules.at_boot
    if not rules.fresh_copies:
        assert played.peaks().max(initial=0.0) <= at_most + 1_000
        kept = trace(
            silent._replace(interval_s=0.0, capacity=1e15, root_capacity=engine.INF), quiet
        )
        used = set(map(int, inputs.image))
        held = {
            int(layer)
            for m in used
            for layer in inputs.layer_of[inputs.first_layer[m] : inputs.first_layer[m + 1]]
        }
        most = sum(inputs.layer_bytes[layer] for layer in held)
        assert kept.of(engine.STORED).max() <= most + 1_000


@law
@given(st.integers(0, 2**31), st.integers(1, 8))
def test_littles_law(seed, slots):
    """Mean jobs waiting or running = arrival rate x mean time in the system."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 12, 5)
    jobs = int(counts.sum())
    at = np.cumsum(rng.uniform(10, 300, 5))
    inputs = make_run_inputs(
        jobs=jobs, duration=rng.lognormal(4, 0.5, jobs), writes=0.0,
        bursts=list(zip(at, counts, strict=True)),
    )  # fmt: skip
    played = trace(make_rules(slots=slots, instances=2, capacity=1e15), inputs)
    arrived = np.repeat(at, counts)
    moments = np.sort(np.concatenate([arrived, played.jobs.end]))
    inside = [np.sum(arrived <= t) - np.sum(played.jobs.end <= t) for t in moments[:-1]]
    area = float(np.sum(np.array(inside) * np.diff(moments)))
    assert area == pytest.approx(float(np.sum(played.jobs.end - arrived)), rel=1e-9)
    assert np.all(played.jobs.start >= arrived - 1e-9)


@law
@given(runs())
def test_first_come_first_served_and_no_slot_used_twice(run):
    rules, inputs = run
    played = trace(rules._replace(attempts=1, capacity=1e15, root_capacity=engine.INF), inputs)
    for i in range(played.instances):
        mine = played.jobs.instance == i
        begun, ended = played.jobs.start[mine], played.jobs.end[mine]
        for at in begun:
            assert np.sum((begun <= at) & (ended > at)) <= rules.slots


@law
@given(runs())
def test_the_same_run_has_the_same_outcome(run):
    rules, inputs = run
    one, two = trace(rules, inputs), trace(rules, inputs)
    assert np.array_equal(one.jobs.end, two.jobs.end)
    assert np.array_equal(one.book.state, two.book.state)


def test_time_is_not_lost_to_cycles_that_have_nothing_to_do():
    """A wait of years does not mean a cycle every half hour for years."""
    rules = make_rules(wait_s=1e9, interval_s=1_800.0)
    inputs = make_run_inputs(jobs=4, sizes=(MIB,), packed=(MIB,))
    due = [int(code) for code in trace(rules, inputs).book.due_code]
    assert len(due) < 1_000
    assert trace(rules, inputs).ended_at > 1e9
