"""What comes out of a forecast: when volumes fill and with what, who fails how, and the verdict."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchguide.disk import draws, engine, latency
from batchguide.disk.docker import full_text, thin_pool_text
from batchguide.disk.draws import Ground
from batchguide.disk.play import Run, kernel_for, play
from batchguide.disk.scenario import Scenario
from batchguide.units import GIB, show_count, show_duration, show_size

COMPONENTS = (
    "operating system",
    "image layers",
    "pull in flight",
    "running containers",
    "stopped containers",
    "logs",
    "other",
)
"""What a volume holds, in the order in which it is stacked; `other` is Docker's own small files."""
COLUMNS = 600
"""Columns of a timeline: each keeps its lowest and its highest moment."""
MOST_COLUMNS = 60_000
"""Columns of all instances together: beyond it each has fewer."""

_COMPONENT_OF = {
    engine.DOWNLOAD: "pull in flight",
    engine.REGISTER: "pull in flight",
    engine.COPY: "image layers",
    engine.CREATE: "other",
    engine.START: "other",
    engine.WRITE: "running containers",
    engine.LIMIT: "running containers",
}
_STAGE_OF = {
    engine.DOWNLOAD: "download",
    engine.REGISTER: "register",
    engine.COPY: "register",
    engine.CREATE: "create",
    engine.START: "start",
    engine.WRITE: "write",
    engine.LIMIT: "write",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Failure:
    """A job's attempt that failed. `job` counts from 1 in order of submission.

    `component` is what was growing; `error` is what AWS shows, or the job's own program prints.
    """

    at_s: float
    job: int
    instance: str
    component: str
    error: str


@dataclass(frozen=True)
class Timeline:
    """A volume over time: each column's lowest and highest moment, and so every peak.

    Between two moments each component is close to linear. Sizes in GiB.
    """

    at_s: Floats
    components: dict[str, Floats]
    containers_running: Floats
    containers_retained: Floats

    @property
    def used_gib(self) -> Floats:
        """All components together."""
        return np.asarray(sum(self.components.values()), np.float64)


@dataclass(frozen=True)
class InstanceOutcome:
    """One container instance. `saturated_s`: how long its volume was asked for all it gives."""

    instance: str
    capacity_gib: float
    peak_used_gib: float
    peak_at_s: float
    containers_peak: int
    booted_at_s: float
    gone_at_s: float | None
    saturated_s: float
    timeline: Timeline | None = None


@dataclass(frozen=True)
class Outcome:
    """A forecast. `failures` holds at most the first 100,000; `jobs_failed` counts all.

    `finished_at_s` is when the last job ended, `ended_at_s` when the last byte was freed.
    `held_gib` is what the volume held at the first failure, by component.
    `inspect_timeout_risk` is the chance, for a container that starts at the worst moment, that
    Docker does not answer the agent in time (`CannotInspectContainerError`); a model, see
    `latency.py`.
    """

    scenario: Scenario
    verdict: str
    jobs_submitted: int
    jobs_succeeded: int
    jobs_failed: int
    first_failure: Failure | None
    failures: tuple[Failure, ...]
    peak_used_gib: float
    finished_at_s: float
    ended_at_s: float
    inspect_timeout_risk: float
    instances: tuple[InstanceOutcome, ...]
    held_gib: dict[str, float] = field(default_factory=dict)

    def to_dict(self, timeline: bool = False) -> dict[str, Any]:
        """The JSON form; with `timeline`, each instance's curve by component."""
        first = self.first_failure
        return {
            "schema": 1,
            "scenario": self.scenario.to_dict(),
            "verdict": self.verdict,
            "jobs": {
                "submitted": self.jobs_submitted,
                "succeeded": self.jobs_succeeded,
                "failed": self.jobs_failed,
            },
            "first_failure": None if first is None else _failure_dict(first),
            "peak_used_gib": _rounded(self.peak_used_gib),
            "finished_at_s": _rounded(self.finished_at_s),
            "ended_at_s": _rounded(self.ended_at_s),
            "inspect_timeout_risk": _rounded(self.inspect_timeout_risk),
            "instances": [_instance_dict(each, timeline) for each in self.instances],
        }


def simulate(scenario: Scenario, timeline: bool = True, engine: str = "auto") -> Outcome:
    """Run a scenario once. The same scenario gives the same outcome, however it is run.

    A job that fits on no instance is an answer, not an error.
    """
    on = draws.ground(scenario)
    if on.slots < 1 or draws.max_instances(scenario) < 1:
        return _no_slot(scenario, on)
    run = run_scenario(scenario, on, timeline=timeline, engine=engine)
    return _outcome(scenario, on, run, timeline=timeline)


def run_scenario(
    scenario: Scenario, on: Ground, *, timeline: bool = False, engine: str = "auto"
) -> Run:
    """The engine's own arrays; a timeline takes a second run, for its columns need the end."""
    kernel = kernel_for(engine, scenario.jobs)
    rules, inputs = draws.rules_of(scenario, on), draws.inputs_of(scenario, on)
    run = play(rules, inputs, kernel=kernel)
    if not timeline:
        return run
    columns = max(min(COLUMNS, MOST_COLUMNS // max(run.instances, 1)), 8)
    column_s = max(run.ended_at, 1e-3) / columns
    mode = _ENVELOPE
    return play(rules, inputs, mode=mode, kernel=kernel, columns=columns, column_s=column_s)


_ENVELOPE = engine.ENVELOPE


def _outcome(scenario: Scenario, on: Ground, run: Run, *, timeline: bool) -> Outcome:
    kept = min(run.failures, len(run.trace.failed_at))
    failures = tuple(_failure(scenario, on, run, at) for at in range(kept))
    succeeded = int(np.count_nonzero(run.jobs.fate == engine.SUCCEEDED))
    instances = tuple(_instance(on, run, at, timeline) for at in range(run.instances))
    parts = run.trace.parts / GIB if run.failures else np.zeros(len(COMPONENTS))
    outcome = Outcome(
        scenario=scenario,
        verdict="",
        jobs_submitted=scenario.jobs,
        jobs_succeeded=succeeded,
        jobs_failed=scenario.jobs - succeeded,
        first_failure=failures[0] if failures else None,
        failures=failures,
        peak_used_gib=max((each.peak_used_gib for each in instances), default=0.0),
        finished_at_s=float(run.jobs.end.max()),
        ended_at_s=float(run.ended_at),
        inspect_timeout_risk=_inspect_risk(scenario, on, run),
        instances=instances,
        held_gib=dict(zip(COMPONENTS, parts.tolist(), strict=True)) if run.failures else {},
    )
    return replace(outcome, verdict=_verdict(outcome, on))


def _failure(scenario: Scenario, on: Ground, run: Run, at: int) -> Failure:
    step = int(run.trace.failed_step[at])
    return Failure(
        at_s=float(run.trace.failed_at[at]),
        job=int(run.trace.failed_job[at]) + 1,
        instance=_name(int(run.trace.failed_instance[at])),
        component=_COMPONENT_OF[step],
        error=_error(scenario, on, step, int(run.trace.failed_job[at])),
    )


def _error(scenario: Scenario, on: Ground, step: int, job: int) -> str:
    if on.root.root_capacity_gib is not None and step in (engine.CREATE, engine.START):
        pool_gib = on.root.capacity_gib / 0.9
        return thin_pool_text(pool_gib * 0.0999, pool_gib)
    return full_text(_STAGE_OF[step], serial=887_491_687 + job)


def _name(instance: int) -> str:
    return f"i-{instance + 1}"


def _instance(on: Ground, run: Run, at: int, timeline: bool) -> InstanceOutcome:
    gone_at = float(run.of(engine.GONE_AT)[at])
    return InstanceOutcome(
        instance=_name(at),
        capacity_gib=on.capacity_gib,
        peak_used_gib=float(run.of(engine.PEAK)[at]) / GIB,
        peak_at_s=float(run.of(engine.PEAK_AT)[at]),
        containers_peak=int(run.count_of(engine.CONTAINERS_PEAK)[at]),
        booted_at_s=float(run.of(engine.BOOTED_AT)[at]),
        gone_at_s=None if gone_at == engine.INF else gone_at,
        saturated_s=float(run.of(engine.SATURATED_S)[at]),
        timeline=_timeline(run, at) if timeline else None,
    )


def _timeline(run: Run, at: int) -> Timeline:
    """The snapshots of one instance in order of time, each moment once."""
    columns = run.trace.columns
    shots = run.trace.snapshots.reshape(-1, columns * 2, engine.SNAPSHOT)[at]
    shots = shots[shots[:, 0] >= 0]
    shots = shots[np.argsort(shots[:, 0], kind="stable")]
    if len(shots) > 1:
        same = np.all(shots[1:] == shots[:-1], axis=1)
        shots = shots[np.concatenate([[True], ~same])]
    parts = np.maximum(shots[:, 2:9], 0.0) / GIB
    return Timeline(
        at_s=shots[:, 0].copy(),
        components={name: parts[:, k].copy() for k, name in enumerate(COMPONENTS)},
        containers_running=shots[:, 9].copy(),
        containers_retained=shots[:, 10].copy(),
    )


def _inspect_risk(scenario: Scenario, on: Ground, run: Run) -> float:
    """The chance of a time-out at the worst moment: a burst starts while the rest writes."""
    largest = max(burst.jobs for burst in scenario.bursts)
    running = min(on.slots, scenario.jobs)
    job = scenario.job
    exhausted = bool(np.any(run.of(engine.CREDITS) <= 0)) and on.bucket.capacity > 0
    pressure = latency.Pressure(
        jobs=float(running),
        job_mib=job.writes_mib.median,
        jobs_mibps=running * job.writes_mib.median / job.duration_s.median,
    )
    return latency.inspect_timeout_risk(
        on.device_without_credit if exhausted else on.device,
        on.root.fs,
        pressure,
        starting=float(min(running, largest)),
    )


def _no_slot(scenario: Scenario, on: Ground) -> Outcome:
    job, instance = scenario.job, scenario.instance
    gpus = f", {show_count(job.gpus, 'GPU')}" if job.gpus else ""
    kind = instance.type or "the instance"
    reserved = draws.agent_settings(scenario).reserved_memory_mib
    free_mib = max(on.memory_mib - reserved, 0)
    has = f"{show_count(on.vcpus, 'vCPU')} and {free_mib:,} MiB for jobs"
    has += f", {show_count(instance.registered_gpus, 'GPU')}" if job.gpus else ""
    verdict = (
        f"no slot: a job of {job.vcpus:g} vCPU{'' if job.vcpus == 1 else 's'} and"
        f" {job.memory_mib:,} MiB{gpus} does not fit on {kind}, which has {has};"
        f" all {show_count(scenario.jobs, 'job')} stay RUNNABLE."
    )
    if on.slots >= 1:
        verdict = (
            f"no slot: fleet.max_vcpus {scenario.fleet.max_vcpus} allows no {kind} of"
            f" {on.vcpus} vCPUs; all {show_count(scenario.jobs, 'job')} stay RUNNABLE."
        )
    return Outcome(scenario, verdict, scenario.jobs, 0, 0, None, (), 0.0, 0.0, 0.0, 0.0, ())


def _verdict(outcome: Outcome, on: Ground) -> str:
    first = outcome.first_failure
    if first is None:
        return _fine(outcome, on)
    submitted = show_count(outcome.jobs_submitted)
    failed = (
        f"{show_count(outcome.jobs_failed)} of {submitted} jobs fail."
        if outcome.jobs_failed
        else f"all {submitted} jobs succeed in the end, by being tried again."
    )
    return (
        f"The volume is full after {show_duration(first.at_s)}: job {show_count(first.job)} fails"
        f" on {first.instance} with `{first.error}`; {failed} {_held(outcome, on)}"
    )


def _held(outcome: Outcome, on: Ground) -> str:
    """What the volume holds at the first failure, largest first."""
    apart = on.root.root_capacity_gib is not None  # the system and logs are on another volume
    inside = {k: v for k, v in outcome.held_gib.items() if not apart or k in COMPONENTS[1:5]}
    held = sorted(inside.items(), key=lambda item: -item[1])
    shown = [f"{show_size(size)} {_words(name)}" for name, size in held if size > 0.005][:3]
    return f"Of its {show_size(on.capacity_gib)} it then holds {_and(shown)}."


def _words(component: str) -> str:
    return {"operating system": "the operating system", "pull in flight": "a pull"}.get(
        component, component
    )


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts) or "little"


def _fine(outcome: Outcome, on: Ground) -> str:
    fullest = max(outcome.instances, key=lambda each: each.peak_used_gib, default=None)
    jobs = show_count(outcome.jobs_submitted)
    if fullest is None or outcome.jobs_succeeded < outcome.jobs_submitted:
        left = outcome.jobs_submitted - outcome.jobs_succeeded
        return f"No volume fills, but {show_count(left)} of {jobs} jobs never run."
    share = fullest.peak_used_gib / on.capacity_gib if on.capacity_gib else 1.0
    return (
        f"No volume fills: {fullest.instance}, the fullest, holds"
        f" {show_size(fullest.peak_used_gib)} of {show_size(on.capacity_gib)} ({share:.0%})"
        f" after {show_duration(fullest.peak_at_s)}; all {jobs} jobs succeed."
    )


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")


def _failure_dict(failure: Failure) -> dict[str, Any]:
    return {
        "at_s": _rounded(failure.at_s),
        "job": failure.job,
        "instance": failure.instance,
        "component": failure.component,
        "error": failure.error,
    }


def _instance_dict(instance: InstanceOutcome, timeline: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "instance": instance.instance,
        "capacity_gib": _rounded(instance.capacity_gib),
        "peak_used_gib": _rounded(instance.peak_used_gib),
        "peak_at_s": _rounded(instance.peak_at_s),
        "containers_peak": instance.containers_peak,
        "booted_at_s": _rounded(instance.booted_at_s),
        "gone_at_s": instance.gone_at_s,
        "saturated_s": _rounded(instance.saturated_s),
    }
    if timeline and instance.timeline is not None:
        curve = instance.timeline
        plain["timeline"] = {
            "at_s": [_rounded(each) for each in curve.at_s],
            "components": {
                name: [_rounded(each) for each in values]
                for name, values in curve.components.items()
            },
            "containers_running": curve.containers_running.astype(int).tolist(),
            "containers_retained": curve.containers_retained.astype(int).tolist(),
        }
    return plain
