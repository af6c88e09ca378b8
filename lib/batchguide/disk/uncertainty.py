"""How sure a forecast is: the same scenario many times, with other luck each time.

What varies is what the scenario gives as a spread: durations and writes from job to job, the size
of the image from run to run (it is one image, of a size not known), which image a job uses, and the
agent's jitter. All else is taken as given, so the probabilities say nothing of a wrong scenario.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from batchguide.disk import draws
from batchguide.disk.draws import Ground
from batchguide.disk.engine import INF, Inputs, Rules
from batchguide.disk.fields import Spread
from batchguide.disk.play import (
    DRAWS_AT_ONCE,
    Floats,
    Replications,
    kernel_for,
    play,
    replicate,
)
from batchguide.disk.scenario import ImageSpec, Layer, Scenario
from batchguide.units import GIB

P10_Z, P90_Z = -1.2815515655446004, 1.2815515655446004
_NUDGE = 0.2


@dataclass(frozen=True)
class Uncertainty:
    """Many runs of a scenario. Peaks are of the fullest instance; `full_at_s` where it was full."""

    replications: int
    probability_full: float
    peak_used_gib: dict[str, float]
    full_at_s: dict[str, float] | None
    failed_jobs: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, under "uncertainty"; `probability_full` stands beside it."""
        return {
            "replications": self.replications,
            "peak_used_gib": self.peak_used_gib,
            "full_at_s": self.full_at_s,
            "failed_jobs": self.failed_jobs,
        }


@dataclass(frozen=True)
class Bar:
    """One bar of a tornado: the bytes needed when one input is low, and when it is high."""

    input: str
    low: float
    high: float
    needed_low_gib: float
    needed_high_gib: float

    @property
    def swing_gib(self) -> float:
        """How much the need moves."""
        return abs(self.needed_high_gib - self.needed_low_gib)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "input": self.input,
            "low": self.low,
            "high": self.high,
            "needed_low_gib": self.needed_low_gib,
            "needed_high_gib": self.needed_high_gib,
        }


def varies(scenario: Scenario) -> bool:
    """Whether two runs can differ at all."""
    job = scenario.job
    jitter = draws.agent_settings(scenario).task_cleanup_wait_jitter_s
    spreads = (job.duration_s, job.writes_mib, scenario.image.size_gib)
    return any(each.varies for each in spreads) or len(scenario.image.listed()) > 1 or bool(jitter)


def uncertainty(scenario: Scenario, replications: int = 1_000, engine: str = "auto") -> Uncertainty:
    """Run a scenario many times. Needs a slot: see `outcome.simulate` for the answer without."""
    on = draws.ground(scenario)
    runs = replicate_scenario(scenario, on, replications, engine=engine)
    full = runs.full_at[np.isfinite(runs.full_at)]
    return Uncertainty(
        replications=replications,
        probability_full=float(np.mean(runs.failed > 0)),
        peak_used_gib=_percentiles(runs.peak / GIB),
        full_at_s=_percentiles(full, (10, 50, 90)) if len(full) else None,
        failed_jobs=_percentiles(runs.failed.astype(float)),
    )


def replicate_scenario(
    scenario: Scenario,
    on: Ground,
    replications: int,
    *,
    unlimited: bool = False,
    engine: str = "auto",
) -> Replications:
    """The engine's replications; with `unlimited` nothing is ever full, so peaks are needs."""
    rules = draws.rules_of(scenario, on)
    if unlimited:
        rules = without_limits(rules)
    kernel = kernel_for(engine, scenario.jobs * replications)
    return replicate(rules, list(_chunks(scenario, on, replications)), kernel=kernel)


def without_limits(rules: Rules) -> Rules:
    """The same rules on a volume that never fills."""
    apart = rules.root_capacity < INF
    return rules._replace(capacity=1e18, root_capacity=1e18 if apart else INF, container_limit=INF)


def needed_gib(scenario: Scenario, engine: str = "auto") -> float:
    """The peak of one run if its volume could not fill."""
    on = draws.ground(scenario)
    rules = without_limits(draws.rules_of(scenario, on))
    run = play(rules, draws.inputs_of(scenario, on), kernel=kernel_for(engine, scenario.jobs))
    return max((float(each) for each in run.peaks()), default=0.0) / GIB


def finished_at_s(scenario: Scenario, engine: str = "auto") -> float:
    """When the last job would end if no volume could fill."""
    on = draws.ground(scenario)
    rules = without_limits(draws.rules_of(scenario, on))
    run = play(rules, draws.inputs_of(scenario, on), kernel=kernel_for(engine, scenario.jobs))
    return float(run.jobs.end.max())


def tornado(scenario: Scenario, engine: str = "auto") -> tuple[Bar, ...]:
    """Which input matters most: each at its 10th and 90th percentile while the others stand.

    An input that does not vary is moved by a fifth down and up. Widest first.
    """
    bars = [
        Bar(name, low, high, needed_gib(at_low, engine), needed_gib(at_high, engine))
        for name, low, high, at_low, at_high in _moved(scenario)
    ]
    return tuple(sorted(bars, key=lambda bar: -bar.swing_gib))


def _moved(scenario: Scenario) -> Iterator[tuple[str, float, float, Scenario, Scenario]]:
    job = scenario.job

    def moved(
        name: str, ends: tuple[float, float], make: Callable[[float], Scenario]
    ) -> tuple[str, float, float, Scenario, Scenario]:
        return name, *ends, make(ends[0]), make(ends[1])

    yield moved(
        "job.duration_s",
        _ends(job.duration_s),
        lambda value: replace(scenario, job=replace(job, duration_s=Spread(value))),
    )
    yield moved(
        "job.writes_mib",
        _ends(job.writes_mib),
        lambda value: replace(scenario, job=replace(job, writes_mib=Spread(value))),
    )
    median_gib = scenario.image.size_gib.median
    if median_gib > 0:
        yield moved(
            "image.size_gib",
            _ends(scenario.image.size_gib),
            lambda value: replace(scenario, image=resized(scenario.image, value / median_gib)),
        )
    wait_s = draws.agent_settings(scenario).task_cleanup_wait_s
    yield moved(
        "agent.task_cleanup_wait_s",
        (max(wait_s * (1 - _NUDGE), 1.0), wait_s * (1 + _NUDGE)),
        lambda value: replace(scenario, agent=replace(scenario.agent, task_cleanup_wait_s=value)),
    )


def resized(image: ImageSpec, share: float) -> ImageSpec:
    """The same image or images, every layer `share` as large."""

    def layers(given: tuple[Layer, ...]) -> tuple[Layer, ...]:
        return tuple(
            replace(
                each, size_gib=each.size_gib * share, compressed_gib=each.compressed_gib * share
            )
            for each in given
        )

    size = image.size_gib
    return replace(
        image,
        size_gib=Spread(size.median * share, None if size.p95 is None else size.p95 * share),
        compressed_gib=None if image.compressed_gib is None else image.compressed_gib * share,
        layers=layers(image.layers) if isinstance(image.layers, tuple) else image.layers,
        images=tuple(replace(each, layers=layers(each.layers)) for each in image.images),
    )


def _ends(spread: Spread) -> tuple[float, float]:
    if spread.varies:
        return spread.quantile(P10_Z), spread.quantile(P90_Z)
    return spread.median * (1 - _NUDGE), spread.median * (1 + _NUDGE)


def _chunks(scenario: Scenario, on: Ground, replications: int) -> Iterator[Inputs]:
    """The draws in parts of bounded size."""
    at_once = max(DRAWS_AT_ONCE // max(scenario.jobs, 1), 1)
    for first in range(0, replications, at_once):
        yield draws.draws_of(scenario, on, first=first, runs=min(at_once, replications - first))


def _percentiles(values: Floats, of: tuple[int, ...] = (50, 90, 99)) -> dict[str, float]:
    """Percentiles that are values of a run: the smallest not exceeded by that share of runs."""
    found = np.percentile(values, of, method="inverted_cdf")
    return {f"p{each}": float(f"{value:.9g}") for each, value in zip(of, found, strict=True)}
