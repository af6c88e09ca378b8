"""A scenario as the engine's numbers: rules in bytes and seconds, and what chance decides.

Every draw is a standard normal or a share that depends on the seed, the quantity and the job's
number alone, and is then scaled: a run with other parameters, or with more jobs, meets the same
luck. So a slider moves a curve smoothly, and two runs differ by what was changed.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from batchguide import facts
from batchguide.disk import capacity, docker, layers, volume
from batchguide.disk.agent import image_cleanup_runs
from batchguide.disk.agent_config import AgentSettings
from batchguide.disk.engine import INF, Inputs, Rules
from batchguide.disk.fields import ScenarioError, Spread
from batchguide.disk.play import Floats, make_inputs
from batchguide.disk.scenario import INSTANCE_STORE, MAX_INSTANCES, Scenario
from batchguide.units import GIB, MIB

FAILING_S = 1.0
"""A slot whose container could not be made is given to the next job after this long.

An assumption: on a full data root Docker refuses within milliseconds; the agent's and Batch's
reports take the rest. It decides how fast a full instance eats the queue, not when it is full.
"""
MOST_STATE = 40_000_000
"""Instances times layers, of which the engine keeps a number each."""
_DURATION, _WRITES, _IMAGE, _JITTER, _SIZE = range(5)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the jobs run: what an instance registers and what its volume holds and gives."""

    slots: int
    vcpus: int
    memory_mib: int
    kind: str
    size_gib: float
    root: capacity.DataRoot
    used_gib: float
    device: volume.Device
    device_without_credit: volume.Device
    bucket: volume.Bucket

    @property
    def capacity_gib(self) -> float:
        """What Docker and, where it shares the volume, the operating system can take."""
        if self.root.root_capacity_gib is not None:
            return self.root.capacity_gib
        return self.root.capacity_gib + self.used_gib


def agent_settings(scenario: Scenario) -> AgentSettings:
    """The agent's settings: the profile's, and what the scenario says differs."""
    profile = facts.agent_profile(scenario.agent.profile)
    return AgentSettings.of_profile(profile, **scenario.agent.changes())


def ground(scenario: Scenario) -> Ground:
    """The instance and its volume, with what the AMI generation decides where nothing is given."""
    asked, instance = scenario.volume, scenario.instance
    ami = facts.ami_generations()["al2023" if instance.ami == "custom" else instance.ami]
    if asked.file_system is not None:
        ami = replace(ami, filesystem=asked.file_system)
    kind = asked.type or ami.data_volume_type or ami.root_volume_type
    size_gib = asked.size_gib or _default_gib(scenario, ami, kind)
    used_gib = ami.used_at_boot_gib if asked.used_gib is None else asked.used_gib
    if ami.data_device is None:
        used_gib = min(used_gib, capacity.usable_gib(size_gib, ami.filesystem))
        root = capacity.data_root(ami, root_gib=size_gib, used_at_boot_gib=used_gib)
    else:
        root = capacity.data_root(ami, data_gib=size_gib, used_at_boot_gib=used_gib)
    devices = [_device(scenario, kind, size_gib, credit=credit) for credit in (True, False)]
    return Ground(
        slots=_slots(scenario),
        vcpus=instance.registered_vcpus,
        memory_mib=instance.registered_memory_mib,
        kind=kind,
        size_gib=size_gib,
        root=root,
        used_gib=used_gib,
        device=devices[0],
        device_without_credit=devices[1],
        bucket=volume.volume_bucket(kind, size_gib, asked.iops),
    )


def _default_gib(scenario: Scenario, ami: facts.AmiGeneration, kind: str) -> float:
    if kind != INSTANCE_STORE:
        return float(ami.data_gib or ami.root_gib)
    name = scenario.instance.type
    size_gib = facts.instance_type(name).instance_store_gib if name else 0.0
    if not size_gib:
        raise ScenarioError(
            f"volume.type is instance-store: {name or 'this instance'} has none;"
            " give volume.size_gib or another type"
        )
    return size_gib


def _device(scenario: Scenario, kind: str, size_gib: float, *, credit: bool) -> volume.Device:
    asked = scenario.volume
    device = volume.volume_device(kind, size_gib, asked.iops, asked.throughput_mibps, credit=credit)
    if scenario.instance.type is None or kind == INSTANCE_STORE:
        return device
    behind = volume.instance_device(facts.instance_type(scenario.instance.type))
    return volume.effective_device(device, behind)


def _slots(scenario: Scenario) -> int:
    """Jobs that fit on one instance at a time: by vCPU, by memory, and by GPU where asked."""
    job, instance = scenario.job, scenario.instance
    memory_mib = instance.registered_memory_mib - agent_settings(scenario).reserved_memory_mib
    fits = [math.floor(instance.registered_vcpus / job.vcpus + 1e-9), memory_mib // job.memory_mib]
    if job.gpus:
        fits.append(instance.registered_gpus // job.gpus)
    return max(int(min(fits)), 0)


def max_instances(scenario: Scenario) -> int:
    """How many instances there can be at a time."""
    fleet = scenario.fleet
    if fleet.scale_out == "never":
        return fleet.instances_at_start
    by_vcpus = fleet.max_vcpus // scenario.instance.registered_vcpus
    return min(max(by_vcpus, fleet.instances_at_start), MAX_INSTANCES)


def rules_of(scenario: Scenario, on: Ground) -> Rules:
    """The scenario's scalars for the engine. Needs at least one slot."""
    job, fleet, settings = scenario.job, scenario.fleet, agent_settings(scenario)
    system = docker.file_system(on.root.fs)
    split = on.root.root_capacity_gib is not None
    limit_gib = on.root.per_container_limit_gib
    packed = sum(each.compressed_gib for image in scenario.image.listed() for each in image.layers)
    full = sum(each.size_gib for image in scenario.image.listed() for each in image.layers)
    return Rules(
        wait_s=float(settings.task_cleanup_wait_s),
        jitter_s=float(settings.task_cleanup_wait_jitter_s),
        interval_s=float(settings.image_cleanup_interval_s)
        if image_cleanup_runs(settings)
        else 0.0,
        minimum_age_s=float(settings.image_minimum_cleanup_age_s),
        per_cycle=int(settings.images_deleted_per_cycle),
        capacity=on.capacity_gib * GIB,
        root_capacity=((on.root.root_capacity_gib or 0.0) + on.used_gib) * GIB if split else INF,
        at_boot=on.used_gib * GIB,
        created=float(system.container_created_bytes),
        started=float(system.container_running_bytes),
        kept=float(system.container_bytes),
        first=float(system.first_container_bytes),
        log=docker.printed_log_gib(job.log_driver, job.logs_mib) * GIB,
        kept_share=0.0 if job.scratch_cleaned else 1.0,
        container_limit=INF if limit_gib is None else _limit(scenario, limit_gib) * GIB,
        slots=on.slots,
        instances=fleet.instances_at_start,
        max_instances=max_instances(scenario),
        on_demand=fleet.scale_out == "on-demand",
        reacts=fleet.reacts_while_scaling,
        boot_s=fleet.boot_s,
        decision_s=fleet.decision_s,
        idle_s=fleet.idle_s,
        attempts=scenario.attempts,
        failing_s=FAILING_S,
        pull_rate=scenario.pull_mibps * MIB,
        unpack_rate=docker.constant("extract_mibps") * MIB,
        download_share=packed / (packed + full) if packed and full else 0.5,
        burst_rate=on.device.large_mibps * MIB,
        base_rate=on.device_without_credit.large_mibps * MIB,
        base_iops=float(on.bucket.baseline),
        credit_ios=float(on.bucket.capacity),
        io_bytes=docker.constant("largest_io_mib") * MIB,
        fresh_copies=scenario.image.storage == "fresh-copy-per-job",
    )


def _limit(scenario: Scenario, limit_gib: float) -> float:
    """What a container may write: devicemapper's base size holds the image's files as well."""
    largest = max(sum(e.size_gib for e in image.layers) for image in scenario.image.listed())
    return max(limit_gib - largest, 1 / GIB)


def inputs_of(scenario: Scenario, on: Ground) -> Inputs:
    """The jobs of one run. Image sizes are at their median: they are uncertain, not various."""
    return draws_of(scenario, on, first=0, runs=1, median_image=True)


def draws_of(
    scenario: Scenario, on: Ground, *, first: int, runs: int, median_image: bool = False
) -> Inputs:
    """The jobs of replications `first` to `first + runs`, end to end; one run's are the first's."""
    jobs, job, seed = scenario.jobs, scenario.job, scenario.seed
    n = jobs * runs
    sizes, packed, images, weights = _store(scenario, on.root.fs)
    draws = _Draws(seed, jobs, first, runs)
    factor = np.ones(runs)
    if not median_image and scenario.image.size_gib.median > 0:
        z = _normals(seed, _SIZE, first + runs)[first:]
        factor = _scaled(scenario.image.size_gib, z) / scenario.image.size_gib.median
    image: Any = np.zeros(n, np.int32)
    if len(images) > 1:
        bounds = np.cumsum(weights) / sum(weights)
        image = np.searchsorted(bounds, draws.shares(_IMAGE), side="right").clip(0, len(images) - 1)
    jittered = agent_settings(scenario).task_cleanup_wait_jitter_s > 0
    burst_jobs = [burst.jobs for burst in scenario.bursts]
    return make_inputs(
        np.maximum(_scaled(job.duration_s, draws.normals(_DURATION, job.duration_s)), 1e-6),
        _scaled(job.writes_mib, draws.normals(_WRITES, job.writes_mib)) * MIB,
        image,
        draws.shares(_JITTER).copy() if jittered else np.zeros(n),
        [burst.at_s for burst in scenario.bursts],
        burst_jobs,
        images,
        np.outer(factor, sizes).ravel(),
        np.outer(factor, packed).ravel(),
        copies=runs,
    )


def _store(
    scenario: Scenario, fs: str
) -> tuple[list[float], list[float], list[tuple[int, ...]], list[float]]:
    """Layers numbered by their chain: unpacked and compressed bytes, each image's, and weights."""
    number: dict[str, int] = {}
    sizes: list[float] = []
    packed: list[float] = []
    images: list[tuple[int, ...]] = []
    weights: list[float] = []
    record = docker.file_system(fs).layer_record_bytes
    for image in scenario.image.listed():
        chains = layers.chain_ids(image.layers)
        for chain, layer in zip(chains, image.layers, strict=True):
            if chain not in number:
                number[chain] = len(number)
                sizes.append(layers.layer_gib(layer, fs) * GIB + record if layer.size_gib else 0.0)
                packed.append(layer.compressed_gib * GIB)
        images.append(tuple(number[chain] for chain in chains))
        weights.append(image.weight)
    if len(sizes) * max_instances(scenario) > MOST_STATE:
        raise ScenarioError(
            f"{len(sizes):,} layers on up to {max_instances(scenario):,} instances are too many:"
            f" at most {MOST_STATE:,} of both multiplied"
        )
    return sizes, packed, images, weights


class _Draws:
    """Standard draws of some replications, a stream for each quantity."""

    def __init__(self, seed: int, jobs: int, first: int, runs: int) -> None:
        self.seed, self.jobs, self.first, self.runs = seed, jobs, first, runs

    def normals(self, quantity: int, spread: Spread) -> Floats:
        """A standard normal for each job, or nothing where all are equal."""
        if not spread.varies:
            return np.zeros(self.jobs * self.runs)
        return self._of(_normals, quantity)

    def shares(self, quantity: int) -> Floats:
        """A number from 0 to 1 for each job."""
        return self._of(_uniforms, quantity)

    def _of(self, stream: Any, quantity: int) -> Floats:
        return _block(stream, self.seed, quantity, self.jobs, self.first, self.runs)


@lru_cache(maxsize=6)  # of at most 16 MB each: a search asks for the same ones at every point
def _block(stream: Any, seed: int, quantity: int, jobs: int, first: int, runs: int) -> Floats:
    if runs == 1:
        return np.asarray(stream(seed, quantity, jobs, first))
    return np.concatenate([stream(seed, quantity, jobs, run) for run in range(first, first + runs)])


@lru_cache(maxsize=32)
def _normals(seed: int, quantity: int, count: int, run: int = 0) -> Floats:
    drawn = np.random.default_rng((seed, quantity, run)).standard_normal(count)
    drawn.flags.writeable = False
    return drawn


@lru_cache(maxsize=32)
def _uniforms(seed: int, quantity: int, count: int, run: int = 0) -> Floats:
    drawn = np.random.default_rng((seed, quantity, run)).random(count)
    drawn.flags.writeable = False
    return drawn


def _scaled(spread: Spread, z: Floats) -> Floats:
    """A quantity for each standard normal: see `Spread`."""
    if spread.observed:
        share = np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in z])
        ordered = np.sort(np.array(spread.observed))
        return np.asarray(ordered[(share * len(ordered)).astype(int).clip(0, len(ordered) - 1)])
    if spread.sigma == 0:
        return np.full(len(z), spread.median)
    return np.asarray(spread.median * np.exp(spread.sigma * z))
