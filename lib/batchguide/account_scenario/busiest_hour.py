"""The busiest hour of a compute environment as a scenario of the forecast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from batchguide import facts
from batchguide.account import (
    Account,
    ComputeEnvironment,
    DataVolume,
    Job,
    JobShape,
    data_volumes,
    fleet_of,
    template_of,
    workload_of,
)
from batchguide.account.names import cluster_name
from batchguide.account.volumes import ami_id_of, generation_of
from batchguide.account.workload import LIST_JOBS
from batchguide.account_scenario.agents import SettingsInForce, agent_settings_of
from batchguide.account_scenario.images import footprint_of, layers_of
from batchguide.disk.fields import ScenarioError, Spread
from batchguide.disk.scenario import (
    AgentSpec,
    Burst,
    Fleet,
    ImageSpec,
    InstanceSpec,
    ListedImage,
    Scenario,
    VolumeSpec,
)
from batchguide.disk.scenario import JobShape as ScenarioJob

BURST_STEP_S = 60  # jobs submitted within a minute are one burst


@dataclass(frozen=True, slots=True)
class Observed:
    """A scenario made of what the account shows; None with what is `missing` for it.

    `assumed` names what no API tells and the scenario therefore takes from its defaults.
    """

    scenario: Scenario | None
    missing: tuple[str, ...]
    assumed: tuple[str, ...]


def scenario_of(
    account: Account,
    env: ComputeEnvironment,
    shape: JobShape | None = None,
    writes_mib: float | None = None,
) -> Observed:
    """The busiest hour of an environment as a scenario for one shape of job.

    Without a shape, the one with the most jobs, with the images of all. What jobs write stands in
    no API: give `writes_mib`, or the scenario's own default is taken and named in `assumed`.
    """
    draft = draft_of(account, env, shape, writes_mib)
    if draft.scenario is None:
        return draft
    try:
        return replace(draft, scenario=Scenario.from_dict(draft.scenario.to_dict()))
    except ScenarioError as error:  # AWS's own figures lie outside what the model knows
        return Observed(None, (str(error),), ())


def draft_of(
    account: Account,
    env: ComputeEnvironment,
    shape: JobShape | None = None,
    writes_mib: float | None = None,
) -> Observed:
    """`scenario_of` with figures as the account has them, whether a forecast takes them or not."""
    workload = workload_of(account, env)
    chosen = shape or next(iter(workload.shapes), None)
    shapes = (shape,) if shape else workload.shapes
    volume = data_volumes(account, env).smallest
    agent = agent_settings_of(account, env).kinds
    bursts = _bursts(_jobs(account, env))
    type_ = instance_type_of(account, env, chosen)
    footprint = footprint_of(account, [each.image for each in shapes])
    if not (chosen and volume and agent and bursts and type_) or footprint.missing:
        return Observed(None, _missing_for_scenario(account, env, shapes), ())
    scenario = Scenario(
        bursts=bursts,
        name=f"{chosen.definition} on {env.name}",
        job=_job(chosen, writes_mib),
        image=ImageSpec(images=_images(account, shapes)),
        instance=InstanceSpec(type=type_, ami=_generation(account, env)),
        volume=_volume(volume),
        agent=_agent(max(agent, key=lambda each: each.settings.task_cleanup_wait_s)),
        fleet=_fleet(account, env),
    )
    assumed = ["pull_mibps", "volume.used_gib"]
    assumed += [] if writes_mib is not None else ["job.writes_mib"]
    assumed += [] if chosen.duration_s else ["job.duration_s"]
    return Observed(scenario, (), tuple(assumed))


def _missing_for_scenario(
    account: Account, env: ComputeEnvironment, shapes: tuple[JobShape, ...]
) -> tuple[str, ...]:
    jobs = (*account.lacks(*LIST_JOBS.split(":")), f"jobs of {env.name}")
    named = (
        *data_volumes(account, env).missing,
        *agent_settings_of(account, env).missing,
        *workload_of(account, env).missing,
        *footprint_of(account, [each.image for each in shapes]).missing,
        *(() if shapes and _bursts(_jobs(account, env)) else jobs),
    )
    return tuple(dict.fromkeys(named)) or (f"instances of {env.name}, or their type",)


def _job(shape: JobShape, writes_mib: float | None) -> ScenarioJob:
    usual = ScenarioJob()
    duration = usual.duration_s
    if shape.duration_s and shape.duration_s[0] > 0:
        duration = Spread(shape.duration_s[0], max(shape.duration_s))
    return ScenarioJob(
        vcpus=shape.vcpus,
        memory_mib=max(shape.memory_mib, 4),
        gpus=shape.gpus,
        duration_s=duration,
        writes_mib=usual.writes_mib if writes_mib is None else Spread(writes_mib),
    )


def _images(account: Account, shapes: Iterable[JobShape]) -> tuple[ListedImage, ...]:
    weights: Counter[str] = Counter()
    for shape in shapes:
        weights[shape.image] += shape.jobs
    return tuple(
        ListedImage(layers, reference, float(weight))
        for reference, weight in weights.items()
        if (layers := layers_of(account, reference))
    )


def instance_type_of(
    account: Account, env: ComputeEnvironment, shape: JobShape | None
) -> str | None:
    """The type that most instances have; of none running, the largest named that holds the job."""
    running = Counter(each.type for each in fleet_of(account, env).instances if each.type)
    known = [name for name, _ in running.most_common() if name in facts.instance_types()]
    if known:
        return known[0]
    named = [each for name in env.instance_types if (each := facts.instance_types().get(name))]
    held = [each for each in named if shape is None or each.vcpus >= shape.vcpus]
    return max(held, key=lambda each: each.vcpus).name if held else None


def _generation(account: Account, env: ComputeEnvironment) -> str:
    instances = fleet_of(account, env).instances
    id = instances[0].image_id if instances else ami_id_of(env, template_of(account, env).version)
    image = account.machine_image_by_id.get(id or "")
    return generation_of(image) or ("custom" if image else "al2023")


def _volume(volume: DataVolume) -> VolumeSpec:
    known = volume.type if volume.type in facts.volume_types() else None
    provisioned = known not in (None, "gp2", "standard", "st1", "sc1")
    return VolumeSpec(
        type=known,
        size_gib=volume.size_gib,
        iops=volume.iops or None if provisioned else None,
        throughput_mibps=volume.throughput_mibps or None if known == "gp3" else None,
    )


def _agent(found: SettingsInForce) -> AgentSpec:
    has = found.settings
    return AgentSpec(
        profile="ecs-default",
        task_cleanup_wait_s=has.task_cleanup_wait_s,
        task_cleanup_wait_jitter_s=has.task_cleanup_wait_jitter_s,
        image_cleanup_disabled=has.image_cleanup_disabled,
        image_cleanup_interval_s=has.image_cleanup_interval_s,
        image_minimum_cleanup_age_s=has.image_minimum_cleanup_age_s,
        images_deleted_per_cycle=has.images_deleted_per_cycle,
        pull_behavior=has.pull_behavior,
        reserved_memory_mib=has.reserved_memory_mib,
    )


def _fleet(account: Account, env: ComputeEnvironment) -> Fleet:
    """As many instances as ran jobs in the capture's days, or what Batch may scale out to."""
    ran = account.attempts_by_cluster.get(cluster_name(env.ecs_cluster_arn) or "", ())
    used = {attempt.container_instance_arn for _, attempt in ran}
    count = len(used) or len(fleet_of(account, env).instances)
    if count:
        return Fleet(instances=min(count, 5_000), scale_out="never")
    return Fleet(scale_out="on-demand", max_vcpus=env.max_vcpus or 256)


def _jobs(account: Account, env: ComputeEnvironment) -> Iterator[Job]:
    for queue in account.queues_of(env):
        yield from account.jobs_of(queue)


def _bursts(jobs: Iterable[Job]) -> tuple[Burst, ...]:
    """Submissions of the busiest hour, minute by minute."""
    made: Counter[datetime] = Counter()
    for job in jobs:
        if job.created_at is not None:
            made[job.created_at.replace(second=0, microsecond=0)] += job.array_size or 1
    if not made:
        return ()
    minutes = sorted(made)
    start = _busiest(minutes, made)
    hour = timedelta(hours=1)
    return tuple(
        Burst((minute - start).total_seconds(), made[minute])
        for minute in minutes
        if start <= minute < start + hour
    )


def _busiest(minutes: list[datetime], made: Counter[datetime]) -> datetime:
    """The minute from which an hour holds the most submissions."""
    best, most, first, within = minutes[0], 0, 0, 0
    for minute in minutes:
        within += made[minute]
        while minute - minutes[first] >= timedelta(hours=1):
            within -= made[minutes[first]]
            first += 1
        if within > most:
            best, most = minutes[first], within
    return best
