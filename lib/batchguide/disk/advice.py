"""What would keep the volumes from filling: sizes and limits with their proof, and alternatives.

Every answer is found by running the scenario, not by a formula, and carries the two runs that prove
it: the last that is safe and the first that is not. "Safe" is a chance of at most `risk` that any
volume fills, over replications with the same luck at every point.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from batchguide import facts
from batchguide.disk import draws
from batchguide.disk.outcome import Outcome, simulate
from batchguide.disk.play import kernel_for
from batchguide.disk.scenario import INSTANCE_STORE, MAX_JOBS, Scenario
from batchguide.disk.uncertainty import (
    Uncertainty,
    finished_at_s,
    replicate_scenario,
    resized,
    tornado,
    uncertainty,
    varies,
)
from batchguide.errors import UserError
from batchguide.units import GIB, show_count, show_duration, show_size, show_usd

HOURS_A_MONTH = 730.0
MOST_REPLICATIONS = 10_000
_JOBS_A_POINT = 300_000
_JOBS_A_POINT_INTERPRETED = 10_000
_LONGEST_WAIT_S = 7 * 86_400
_SLIMMER = 0.5
_BUNDLE = 5


@dataclass(frozen=True)
class Point:
    """A value that was tried, and the chance that a volume fills there."""

    value: float
    probability_full: float

    def to_dict(self) -> dict[str, float]:
        """The JSON form."""
        return {"value": self.value, "probability_full": self.probability_full}


@dataclass(frozen=True)
class Bound:
    """The edge between safe and not. `safe` is None where nothing tried is safe, `unsafe` where
    all is."""

    name: str
    unit: str
    safe: Point | None
    unsafe: Point | None

    @property
    def value(self) -> float | None:
        """The answer: the last value that is safe."""
        return None if self.safe is None else self.safe.value

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "safe": None if self.safe is None else self.safe.to_dict(),
            "unsafe": None if self.unsafe is None else self.unsafe.to_dict(),
        }


@dataclass(frozen=True)
class Advice:
    """One alternative: what to change, what it costs a month, and what it leaves.

    `change` is what `Scenario.changed` takes. `cost_usd_month` is what it adds if the instances run
    all month, None where a price is not known.
    """

    id: str
    title: str
    change: Mapping[str, Any]
    probability_full: float
    peak_p99_gib: float
    failed_p50: float
    outcome: Outcome
    cost_usd_month: float | None
    sentence: str
    proof: tuple[Point, ...] = ()
    safe: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "id": self.id,
            "title": self.title,
            "change": dict(self.change),
            "safe": self.safe,
            "probability_full": self.probability_full,
            "peak_used_gib": {"p99": self.peak_p99_gib},
            "failed_jobs": {"p50": self.failed_p50},
            "cost_usd_month": self.cost_usd_month,
            "sentence": self.sentence,
            "proof": [point.to_dict() for point in self.proof],
        }


def estimate(
    scenario: Scenario,
    replications: int | None = None,
    advice: bool = False,
    risk: float = 0.01,
    timeline: bool = False,
) -> dict[str, Any]:
    """All that `batchguide estimate` prints, as one document."""
    _check(risk, replications)
    outcome = simulate(scenario, timeline=timeline)
    document = outcome.to_dict(timeline)
    runnable = bool(outcome.instances) or outcome.jobs_succeeded > 0
    if replications is not None and runnable:
        sure = uncertainty(scenario, replications)
        document["probability_full"] = sure.probability_full
        document["uncertainty"] = {
            **sure.to_dict(),
            "tornado": [bar.to_dict() for bar in tornado(scenario)],
        }
    if advice:
        document["advice"] = [each.to_dict() for each in advise(scenario, risk)]
        document["limits"] = [each.to_dict() for each in limits(scenario, risk)]
    return document


def advise(scenario: Scenario, risk: float = 0.01) -> tuple[Advice, ...]:
    """Alternatives that were run, best first: safe ones by cost, then the rest by what they leave.

    Empty where the scenario has no slot, or is safe as it is.
    """
    _check(risk)
    if not _can_run(scenario) or probability_full(scenario) <= risk:
        return ()
    found = [_advice(scenario, risk, *each) for each in _alternatives(scenario, risk)]
    return tuple(sorted(found, key=_rank))


def limits(scenario: Scenario, risk: float = 0.01) -> tuple[Bound, ...]:
    """How far the scenario can go: volume, burst, containers on an instance, cleanup wait."""
    _check(risk)
    if not _can_run(scenario):
        return ()
    return (
        smallest_volume(scenario, risk),
        largest_burst(scenario, risk),
        safe_containers(scenario, risk),
        longest_wait(scenario, risk),
    )


def probability_full(scenario: Scenario) -> float:
    """The chance that any volume fills, over as many runs as answer in a blink."""
    runs = replicate_scenario(scenario, draws.ground(scenario), _replications(scenario))
    return float(np.mean(runs.failed > 0))


def smallest_volume(scenario: Scenario, risk: float = 0.01) -> Bound:
    """The smallest volume, in whole GiB, that is safe; the proof is the one a GiB smaller."""
    on = draws.ground(scenario)
    runs = replicate_scenario(scenario, on, _replications(scenario), unlimited=True)
    needed_gib = float(np.quantile(runs.peak, 1 - risk, method="inverted_cdf")) / GIB
    kinds = facts.volume_types()
    most = kinds[on.kind].max_gib if on.kind in kinds else 65_536
    least = _least_gib(scenario, on)
    guess = min(max(math.ceil(needed_gib * 1.01), least), most)

    def at(size_gib: int) -> float:
        return probability_full(scenario.changed({"volume": {"size_gib": size_gib}}))

    return _edge(
        "volume.size_gib", "GiB", at, risk, low=least, high=most, guess=guess, more_is_safe=True
    )


def _least_gib(scenario: Scenario, on: draws.Ground) -> int:
    """The smallest volume, in whole GiB, that takes the IOPS that the scenario asks for."""
    limits, iops = facts.volume_types().get(on.kind), scenario.volume.iops
    if limits is None or iops is None or limits.max_iops_per_gib is None:
        return 1
    return 1 if iops <= (limits.min_iops or 0) else math.ceil(iops / limits.max_iops_per_gib)


def largest_burst(scenario: Scenario, risk: float = 0.01) -> Bound:
    """The largest burst that is safe when all grow or shrink alike; in jobs of the largest."""
    largest = max(burst.jobs for burst in scenario.bursts)
    most = max(min(64 * largest, int(largest * MAX_JOBS / 20 / scenario.jobs)), largest)

    def at(jobs: int) -> float:
        bursts = [
            {"at_s": burst.at_s, "jobs": max(round(burst.jobs * jobs / largest), 0)}
            for burst in scenario.bursts
        ]
        return probability_full(scenario.changed({"bursts": bursts}))

    return _edge("burst", "jobs", at, risk, low=1, high=most, guess=largest, more_is_safe=False)


def safe_containers(scenario: Scenario, risk: float = 0.01) -> Bound:
    """How many containers may run on an instance at a time: fewer, if each asks for more memory."""
    slots = draws.ground(scenario).slots

    def at(count: int) -> float:
        change = fewer_containers(scenario, count)
        return probability_full(scenario.changed(change))

    return _edge(
        "containers", "containers", at, risk, low=1, high=slots, guess=slots, more_is_safe=False
    )


def longest_wait(scenario: Scenario, risk: float = 0.01) -> Bound:
    """The longest ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION that is safe, in seconds up to a week."""

    def at(wait_s: int) -> float:
        return probability_full(scenario.changed({"agent": {"task_cleanup_wait_s": wait_s}}))

    now_s = int(draws.agent_settings(scenario).task_cleanup_wait_s)
    guess = min(max(now_s, 1), _LONGEST_WAIT_S)
    return _edge(
        "agent.task_cleanup_wait_s", "s", at, risk,
        low=1, high=_LONGEST_WAIT_S, guess=guess, more_is_safe=False,
    )  # fmt: skip


def fewer_containers(scenario: Scenario, count: int) -> dict[str, Any]:
    """The change after which `count` jobs fit on an instance: each asks for its share of memory."""
    reserved = draws.agent_settings(scenario).reserved_memory_mib
    share = (scenario.instance.registered_memory_mib - reserved) // count
    return {"job": {"memory_mib": max(share, scenario.job.memory_mib)}}


def sweep(grid: Iterable[Scenario], replications: int = 0) -> list[dict[str, Any]]:
    """A row for each scenario: what it is called, and what came out. Rows are independent."""
    return [_row(each, replications) for each in grid]


def _row(scenario: Scenario, replications: int) -> dict[str, Any]:
    outcome = simulate(scenario, timeline=False)
    first = outcome.first_failure
    row: dict[str, Any] = {
        "name": scenario.name,
        "jobs": outcome.jobs_submitted,
        "failed": outcome.jobs_failed,
        "full_at_s": None if first is None else first.at_s,
        "peak_used_gib": outcome.peak_used_gib,
        "instances": len(outcome.instances),
        "ended_at_s": outcome.ended_at_s,
        "verdict": outcome.verdict,
    }
    if replications and outcome.instances:
        sure = uncertainty(scenario, replications)
        row["probability_full"] = sure.probability_full
        row |= {f"peak_{name}_gib": value for name, value in sure.peak_used_gib.items()}
    return row


def _edge(
    name: str, unit: str, at: Callable[[int], float], risk: float, *,
    low: int, high: int, guess: int, more_is_safe: bool,
) -> Bound:  # fmt: skip
    """Where safe ends, between whole numbers: gallop from the guess, then halve."""
    tried: dict[int, float] = {}

    def safe(value: int) -> bool:
        if value not in tried:
            tried[value] = at(value)
        return tried[value] <= risk

    toward = -1 if more_is_safe else 1  # the direction in which safety is lost
    inside: int | None = guess if safe(guess) else None
    outside: int | None = None if inside is not None else guess
    step, here = 1, guess
    while inside is None or outside is None:
        here += toward * step if inside is not None else -toward * step
        here = min(max(here, low), high)
        if safe(here):
            inside = here
        else:
            outside = here
        if here in (low, high) and (inside is None or outside is None):
            break
        step *= 2
    while inside is not None and outside is not None and abs(inside - outside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if safe(middle) else (inside, middle)
    return Bound(
        name,
        unit,
        None if inside is None else Point(inside, tried[inside]),
        None if outside is None else Point(outside, tried[outside]),
    )


_Found = tuple[str, str, dict[str, Any], float | None, str, Bound | None]


def _alternatives(scenario: Scenario, risk: float) -> Iterator[_Found]:
    """What could be done: id, title, change, cost a month, what it means, and a bound's proof."""
    for make in (_volume, _agent, _wait, _scratch, _slim, _spread_out, _density, _bundle, _smaller):
        found = make(scenario, risk)
        if found is not None:
            yield found


def _volume(scenario: Scenario, risk: float) -> _Found | None:
    on = draws.ground(scenario)
    bound = smallest_volume(scenario, risk)
    if on.kind == INSTANCE_STORE or bound.value is None:
        return None
    size_gib = int(bound.value)
    price = facts.volume_types()[on.kind].usd_per_gib_month
    instances = draws.max_instances(scenario)
    cost = None if price is None else (size_gib - on.size_gib) * price * instances
    text = f"Give the volume {size_gib:,} GiB instead of {on.size_gib:g}"
    return "larger-volume", text, {"volume": {"size_gib": size_gib}}, cost, "", bound


def _agent(scenario: Scenario, risk: float) -> _Found | None:
    batch = {"profile": "batch-managed"}
    settings = draws.agent_settings(scenario)
    cleared = dict.fromkeys(scenario.agent.changes())
    change = {"agent": {**cleared, **batch}}
    if draws.agent_settings(scenario.changed(change)) == settings:
        return None
    title = "Let the agent clean up as it does on instances that Batch manages"
    return "batch-agent-settings", title, change, 0.0, "", None


def _wait(scenario: Scenario, risk: float) -> _Found | None:
    bound = longest_wait(scenario, risk)
    now_s = draws.agent_settings(scenario).task_cleanup_wait_s
    if bound.value is None or bound.value >= now_s:
        return None
    wait_s = int(bound.value)
    title = f"Keep stopped containers {show_duration(wait_s)} instead of {show_duration(now_s)}"
    change = {"agent": {"task_cleanup_wait_s": wait_s}}
    return "shorter-cleanup-wait", title, change, 0.0, "", bound


def _scratch(scenario: Scenario, risk: float) -> _Found | None:
    if scenario.job.scratch_cleaned or scenario.job.writes_mib.median == 0:
        return None
    title = "Delete the job's scratch files before it exits"
    return "clean-scratch", title, {"job": {"scratch_cleaned": True}}, 0.0, "", None


def _slim(scenario: Scenario, risk: float) -> _Found | None:
    if scenario.image.size_gib.median == 0:
        return None
    slim = resized(scenario.image, _SLIMMER)
    change = {"image": Scenario(scenario.bursts, image=slim).to_dict()["image"]}
    return "slimmer-image", "Halve the image", change, 0.0, "", None


def _spread_out(scenario: Scenario, risk: float) -> _Found | None:
    if scenario.fleet.scale_out != "never":
        return None
    instances = scenario.fleet.instances_at_start * 2
    price = _usd_per_hour(scenario.instance.type)
    cost = None if price is None else price * HOURS_A_MONTH * (instances / 2)
    title = f"Run the jobs on {show_count(instances, 'instance')}"
    return "more-instances", title, {"fleet": {"instances": instances}}, cost, "", None


def _density(scenario: Scenario, risk: float) -> _Found | None:
    bound = safe_containers(scenario, risk)
    slots = draws.ground(scenario).slots
    if bound.value is None or bound.value >= slots:
        return None
    count = int(bound.value)
    title = f"Let {show_count(count, 'container')} run on an instance at a time, not {slots}"
    return "fewer-containers", title, fewer_containers(scenario, count), 0.0, "", bound


def _bundle(scenario: Scenario, risk: float) -> _Found | None:
    if scenario.jobs < 2 * _BUNDLE:
        return None
    duration = scenario.job.duration_s.to_plain()
    longer: Any = (
        {key: _times(value) for key, value in duration.items()}
        if isinstance(duration, dict)
        else duration * _BUNDLE
    )
    bursts = [{"at_s": b.at_s, "jobs": math.ceil(b.jobs / _BUNDLE)} for b in scenario.bursts]
    change = {"job": {"duration_s": longer}, "bursts": bursts}
    title = f"Run {_BUNDLE} tasks one after another in each job, its scratch emptied in between"
    return "bundle-tasks", title, change, 0.0, "", None


def _times(value: Any) -> Any:
    return [each * _BUNDLE for each in value] if isinstance(value, list) else value * _BUNDLE


def _smaller(scenario: Scenario, risk: float) -> _Found | None:
    """The same vCPUs on more and smaller instances of the family, each with its own volume."""
    name, on = scenario.instance.type, draws.ground(scenario)
    if name is None or scenario.fleet.scale_out != "never":
        return None
    smaller = _a_quarter(name)
    if smaller is None:
        return None
    factor = math.ceil(on.vcpus / facts.instance_type(smaller).vcpus)
    instances = scenario.fleet.instances_at_start * factor
    change = {"instance": {"type": smaller}, "fleet": {"instances": instances}}
    if draws.ground(scenario.changed(change)).slots < 1:
        return None
    cost = _smaller_cost(scenario, smaller, instances, on)
    title = f"Use {show_count(instances, smaller + ' instance')} for the same vCPUs"
    return "smaller-instances", title, change, cost, "", None


def _smaller_cost(
    scenario: Scenario, smaller: str, instances: int, on: draws.Ground
) -> float | None:
    old, new = _usd_per_hour(scenario.instance.type), _usd_per_hour(smaller)
    kinds = facts.volume_types()
    gib_price = kinds[on.kind].usd_per_gib_month if on.kind in kinds else 0.0
    if old is None or new is None or gib_price is None:
        return None
    had = scenario.fleet.instances_at_start
    volumes = (instances - had) * on.size_gib * gib_price
    return (new * instances - old * had) * HOURS_A_MONTH + volumes


def _a_quarter(name: str) -> str | None:
    """The largest type of the same family with at most a quarter of the vCPUs."""
    family = name.split(".")[0]
    vcpus = facts.instance_type(name).vcpus
    rest = [
        each
        for each in facts.instance_types().values()
        if each.name.split(".")[0] == family and each.vcpus <= vcpus / 4 and not each.bare_metal
    ]
    return max(rest, key=lambda each: each.vcpus).name if rest else None


def _usd_per_hour(name: str | None) -> float | None:
    return facts.instance_type(name).usd_per_hour if name else None


def _advice(
    scenario: Scenario, risk: float, id_: str, title: str, change: dict[str, Any],
    cost: float | None, note: str, bound: Bound | None,
) -> Advice:  # fmt: skip
    changed = scenario.changed(change)
    sure = uncertainty(changed, _replications(changed))
    safe = sure.probability_full <= risk
    outcome = simulate(changed, timeline=False)
    return Advice(
        id=id_,
        title=title,
        change=change,
        probability_full=sure.probability_full,
        peak_p99_gib=sure.peak_used_gib["p99"],
        failed_p50=sure.failed_jobs["p50"],
        outcome=outcome,
        cost_usd_month=cost,
        sentence=_sentence(title, changed, sure, cost, safe) + _later(scenario, outcome),
        proof=tuple(p for p in (bound.safe, bound.unsafe) if p is not None) if bound else (),
        safe=safe,
    )


def _sentence(
    title: str, changed: Scenario, sure: Uncertainty, cost: float | None, safe: bool
) -> str:
    capacity_gib = draws.ground(changed).capacity_gib
    if safe:
        leaves = (
            f"the fullest volume stays at {show_size(sure.peak_used_gib['p99'])}"
            f" of {show_size(capacity_gib)}"
        )
    else:
        leaves = f"a volume still fills in {sure.probability_full:.0%} of runs"
        leaves += f", and {show_count(sure.failed_jobs['p50'], 'job')} fail"
    price = "cost unknown" if cost is None else f"{show_usd(cost)} a month" if cost else "no cost"
    return f"{title}: {leaves} ({price})."


def _later(scenario: Scenario, outcome: Outcome) -> str:
    """What it costs in time, if the jobs end much later than on a volume that never fills."""
    free_s = finished_at_s(scenario)
    if outcome.finished_at_s <= 1.1 * free_s:
        return ""
    ends, before = show_duration(outcome.finished_at_s), show_duration(free_s)
    return f" The last job then ends after {ends}, not {before}."


def _rank(advice: Advice) -> tuple[bool, float, float, float]:
    cost = math.inf if advice.cost_usd_month is None else max(advice.cost_usd_month, 0.0)
    if advice.safe:
        return (False, cost, advice.peak_p99_gib, 0.0)
    return (True, advice.probability_full, advice.failed_p50, cost)


def _replications(scenario: Scenario) -> int:
    """Runs at each point: one where nothing varies, else enough to see 1 in 100 when compiled."""
    if not varies(scenario):
        return 1
    jobs = max(scenario.jobs, 1)
    if kernel_for("auto", MAX_JOBS).lists:
        return min(max(_JOBS_A_POINT_INTERPRETED // jobs, 5), 100)
    return min(max(_JOBS_A_POINT // jobs, 20), 400)


def _can_run(scenario: Scenario) -> bool:
    return draws.ground(scenario).slots >= 1 and draws.max_instances(scenario) >= 1


def _check(risk: float, replications: int | None = None) -> None:
    if not 0 <= risk < 1:
        raise UserError(f"risk is {risk}: it must be a number from 0 to below 1")
    if replications is not None and not 1 <= replications <= MOST_REPLICATIONS:
        raise UserError(
            f"replications is {replications}: it must be a whole number from 1 to"
            f" {MOST_REPLICATIONS:,}"
        )
