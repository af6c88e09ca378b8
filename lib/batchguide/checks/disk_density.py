"""Containers on one instance: more than its volume was made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from batchguide.account import (
    Account,
    ComputeEnvironment,
    DataVolume,
    Workload,
    data_volumes,
    fleet_of,
    workload_of,
)
from batchguide.account_scenario import Footprint, draft_of, footprint_of
from batchguide.checks.budget import Density, allowed_types, densest_of, left_for_each_gib
from batchguide.checks.common import (
    FLEET,
    KEYED,
    TEMPLATE,
    USER_DATA,
    VOLUMES,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    threshold,
)
from batchguide.disk.fields import ScenarioError
from batchguide.disk.scenario import Burst, Fleet, Scenario
from batchguide.findings import (
    Evidence,
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    quote,
    unknown,
)
from batchguide.units import show_size

AREA = "disk"


@check(
    id="DISK-017",
    title="More containers fit by vCPU and memory than the volume can hold",
    severity="critical",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, VOLUMES, USER_DATA, WORKLOAD, "ecr:DescribeImages"),
    keyed=(*KEYED, "ecr:DescribeImages"),
    fixes=["larger-volume"],
    runbook="30-estimate-disk",
)
def containers_outgrow_volume(account: Account) -> Iterator[Verdict]:
    """Does an allowed instance type take more of the account's jobs than its volume can hold?

    Why it matters: Batch and ECS place by vCPU, memory and GPU only; disk is no resource of an EC2
    job, so that a large instance takes a hundred small jobs on one small volume.

    How to fix: enlarge the volume, allow smaller instance types only, or ask for more vCPUs or
    memory in the jobs that write much. What a job writes stands in no API: the answer says what is
    left for each container.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/resource-aware-scheduling.html
    """
    yield from on_instances(account, _outgrown)


def _outgrown(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    known, workload = data_volumes(account, env), workload_of(account, env)
    footprint = footprint_of(account, workload.images)
    allowed = allowed_types(account, env)
    dense = densest_of(account, env, workload)
    missing = (
        *known.missing,
        *workload.missing,
        *footprint.missing,
        *(f"instance type {quote(name, 40)}" for name in allowed.unknown),
    )
    if not workload.shapes and not missing:
        yield not_applicable(env.resource, "its queues got no job in the days of the capture")
    elif known.smallest is None or dense is None:
        message = "how many containers share which volume can't be told"
        yield unknown(env.resource, message, missing=missing or (f"instances of {env.name}",))
    else:
        verdict = _room(account, env, known.smallest, footprint, dense)
        if verdict.status == "PASS" and missing:
            verdict = unknown(env.resource, f"{verdict.message}; not all was seen", missing=missing)
        yield verdict


def _room(
    account: Account,
    env: ComputeEnvironment,
    volume: DataVolume,
    footprint: Footprint,
    dense: Density,
) -> Verdict:
    left_gib = left_for_each_gib(volume.size_gib or 0, footprint, dense.containers)
    forecast = forecast_of(account, env)
    message = (
        f"{dense.containers} containers of {quote(dense.shape.definition, 60)} fit on"
        f" {dense.type.name}; of {show_size(volume.size_gib)} that leaves"
        f" {show_size(max(left_gib, 0))} for what each writes"
    )
    evidence = [
        Evidence(volume.path, volume.size_gib),
        Evidence(dense.shape.path, f"{dense.shape.vcpus:g} vCPU, {dense.shape.memory_mib} MiB"),
        computed("(size * (1 - room) - os - logs - images) / containers", round(left_gib, 2)),
    ]
    if forecast is not None:
        evidence.append(computed(forecast.formula, forecast.verdict))
        if forecast.full:
            message += f"; forecast of its busiest hour: {forecast.verdict}"
            return fails(env.resource, message, *evidence)
    if left_gib < threshold("scratch_least_gib"):
        return fails(env.resource, message, *evidence)
    if left_gib < threshold("scratch_gib"):
        return fails(env.resource, message, *evidence, severity=Severity.HIGH)
    return passes(env.resource, message, *evidence)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the model says of an environment's own busiest hour; `full` also when room is short."""

    full: bool
    verdict: str
    formula: str


def forecast_of(account: Account, env: ComputeEnvironment) -> Forecast | None:
    """The forecast of the busiest hour; None when the capture says too little for a scenario.

    One instance with its share of the jobs stands for all of them.
    """
    draft = draft_of(account, env)
    judged = _judged(one_instance(draft.scenario)) if draft.scenario is not None else None
    if judged is None:
        return None
    return Forecast(*judged, f"forecast, assumed: {', '.join(draft.assumed)}")


def one_instance(scenario: Scenario) -> Scenario:
    """The same jobs as they come to one of the fleet's instances, and no more than a forecast runs.

    An instance's share is its part of each burst, rounded up: a worse case than an even spread.
    """
    count = max(scenario.fleet.instances_at_start, 1)
    left = int(threshold("forecast_jobs"))
    bursts = []
    for burst in scenario.bursts:
        share = min(-(-burst.jobs // count), left)
        left -= share
        bursts.append(Burst(burst.at_s, share))
    kept = tuple(burst for burst in bursts if burst.jobs)
    return replace(scenario, name="one instance", bursts=kept, fleet=Fleet(instances=1))


@lru_cache(maxsize=1024)
def _judged(draft: Scenario) -> tuple[bool, str] | None:
    """Equal environments have equal scenarios, and equal scenarios have equal outcomes.

    None when a figure lies outside what the model takes: then the arithmetic alone decides.
    """
    from batchguide.disk.outcome import simulate

    try:
        scenario = Scenario.from_dict(draft.to_dict())
    except ScenarioError:
        return None
    outcome = simulate(scenario, timeline=False)
    room = 1 - threshold("min_free_share")
    fullest = max(outcome.instances, key=lambda each: each.peak_used_gib, default=None)
    if outcome.first_failure is not None or fullest is None:
        return outcome.first_failure is not None, outcome.verdict
    share = fullest.peak_used_gib / fullest.capacity_gib
    peak = f"{show_size(fullest.peak_used_gib)} of {show_size(fullest.capacity_gib)} ({share:.0%})"
    return share > room, f"{peak} at its peak"


@check(
    id="DISK-019",
    title="Instance types are huge for the jobs they run",
    severity="high",
    area=AREA,
    needs=needed(FLEET, TEMPLATE, WORKLOAD),
    runbook="30-estimate-disk",
)
def instances_huge_for_jobs(account: Account) -> Iterator[Verdict]:
    """Do the allowed instance types go far beyond what a job of this account asks for?

    Why it matters: BEST_FIT_PROGRESSIVE prefers a low price per vCPU and may well take the largest
    size: one volume, one Docker daemon and one Spot interruption for a hundred jobs.

    How to fix: name sizes instead of families, so that some 8 to 16 jobs share an instance, or
    give larger volumes to larger types with launch template overrides.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/allocation-strategies.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_LaunchTemplateSpecificationOverride.html
    """
    yield from on_instances(account, _huge)


def _huge(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    workload, allowed = workload_of(account, env), allowed_types(account, env)
    missing = (
        *workload.missing,
        *(f"instance type {quote(name, 40)}" for name in allowed.unknown),
        *(() if env.instance_types or not env.managed else (f"instanceTypes of {env.name}",)),
    )
    if not workload.shapes and not missing:
        yield not_applicable(env.resource, "its queues got no job in the days of the capture")
        return
    largest = max(allowed.types, key=lambda each: each.vcpus, default=None)
    if largest is None or not workload.shapes:
        message = "which instance types meet which jobs can't be told"
        yield unknown(env.resource, message, missing=missing or (f"instances of {env.name}",))
        return
    median = median_vcpus(workload)
    ratio = largest.vcpus / median
    message = (
        f"{largest.name} has {largest.vcpus} vCPUs, {ratio:.0f} times the {median:g} of a median"
        f" job; running now: {_running(account, env)}"
    )
    evidence = (
        Evidence(env.where.path("computeResources.instanceTypes"), list(env.instance_types)),
        computed("median vCPUs of jobs", median),
    )
    if ratio > threshold("huge_ratio_fail") and not env.template_overrides:
        yield fails(env.resource, message, *evidence)
    elif ratio > threshold("huge_ratio_warn"):
        yield fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    elif missing:
        yield unknown(env.resource, f"{message}; not all was seen", *evidence, missing=missing)
    else:
        yield passes(env.resource, message, *evidence)


def median_vcpus(workload: Workload) -> float:
    """The vCPUs of the median job, every job counted, not every shape."""
    counted = [(shape.vcpus, shape.jobs) for shape in workload.shapes]
    half = sum(jobs for _, jobs in counted) / 2
    below = 0
    for vcpus, jobs in sorted(counted):
        below += jobs
        if below >= half:
            return vcpus
    raise ValueError("a workload without jobs has no median")


def _running(account: Account, env: ComputeEnvironment) -> str:
    types = Counter(each.type or "unknown" for each in fleet_of(account, env).instances)
    return ", ".join(f"{count} {name}" for name, count in types.most_common()) or "none"
