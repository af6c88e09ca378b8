"""What goes into a forecast: jobs, their image, the instances, the volume, the agent, the bursts.

A scenario is the same object whether it comes from a YAML file, from widgets or from an account's
history. Every key is optional but `bursts`; what is not given is today's default of AWS.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from batchguide import facts
from batchguide.disk.fields import (
    Reader,
    ScenarioError,
    Spread,
    choice,
    flag,
    listed,
    named,
    number,
    section,
    spread,
    text,
    whole,
)

MAX_JOBS = 2_000_000
"""More jobs than this are refused: a run keeps some 150 bytes a job, so this stays under 1 GiB."""
MAX_BURSTS = 10_000
MAX_INSTANCES = 5_000
MAX_IMAGES = 500
MAX_LAYERS = 127
"""Docker's own limit on the layers of an image."""
MAX_FILE_BYTES = 1_000_000
_YEAR_S = 365 * 86_400.0
_MAX_GIB = 65_536.0
STORAGES = ("shared-layers", "fresh-copy-per-job")
LOG_DRIVERS = ("awslogs", "json-file", "local", "none")
INSTANCE_STORE = "instance-store"


@dataclass(frozen=True, slots=True)
class JobShape:
    """One job. `writes_mib` go to the container's writable layer, evenly over its life.

    `logs_mib` is what it prints. `scratch_cleaned` says that it deletes its files before it ends.
    """

    vcpus: float = 1.0
    memory_mib: int = 8_192
    gpus: int = 0
    duration_s: Spread = field(default_factory=lambda: Spread(270.0, 290.0))
    writes_mib: Spread = field(default_factory=lambda: Spread(20.0))
    logs_mib: float = 0.1
    log_driver: str = "awslogs"
    scratch_cleaned: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as a registry lists it; the same digest on the same layers below is stored once."""

    digest: str
    size_gib: float
    compressed_gib: float


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image by its layers, bottom first; `weight` is its share of the jobs."""

    layers: tuple[Layer, ...]
    name: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The image, or the images, that jobs use.

    By size: `distinct` images of `layers` equal layers, the lowest `shared_layers` of them common
    to all. Or as listed: `layers` (a list) for one, `images` for several.
    """

    size_gib: Spread = field(default_factory=lambda: Spread(1.6))
    compressed_gib: float | None = None
    layers: int | tuple[Layer, ...] = 8
    distinct: int = 1
    shared_layers: int = 0
    storage: str = "shared-layers"
    images: tuple[ListedImage, ...] = ()

    COMPRESSED_SHARE = 0.344
    """Compressed over unpacked when it is not given: 0.55 of 1.6 GiB, as the measured image."""

    def listed(self) -> tuple[ListedImage, ...]:
        """Every image by its layers, whichever way they were given."""
        if self.images:
            return self.images
        if isinstance(self.layers, tuple):
            return (ListedImage(self.layers, "image-1"),)
        return tuple(self._equal_layers(at) for at in range(self.distinct))

    def _equal_layers(self, image: int) -> ListedImage:
        count = int(self.layers)  # type: ignore[arg-type]
        size_gib = self.size_gib.median
        compressed_gib = self.compressed_gib
        if compressed_gib is None:
            compressed_gib = size_gib * self.COMPRESSED_SHARE
        layers = tuple(
            Layer(
                f"base-{at}" if at < self.shared_layers else f"image-{image + 1}-{at}",
                size_gib / count,
                compressed_gib / count,
            )
            for at in range(count)
        )
        return ListedImage(layers, f"image-{image + 1}")


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """A container instance: an EC2 type, or what it registers; and the AMI generation it runs."""

    type: str | None = "r5.24xlarge"
    vcpus: int | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    ami: str = "al2023"

    @property
    def registered_vcpus(self) -> int:
        """vCPUs that jobs can be placed on."""
        return self.vcpus if self.vcpus is not None else facts.instance_type(self._type).vcpus

    @property
    def registered_memory_mib(self) -> int:
        """Memory that the agent registers, before ECS_RESERVED_MEMORY: less than EC2 sells."""
        if self.memory_mib is not None:
            return self.memory_mib
        return facts.instance_type(self._type).registered_memory_mib

    @property
    def registered_gpus(self) -> int:
        """GPUs that jobs can be given."""
        if self.gpus is not None:
            return self.gpus
        return facts.instance_type(self._type).gpus if self.type else 0

    @property
    def _type(self) -> str:
        if self.type is None:
            raise ScenarioError("instance: give a type, or both vcpus and memory_mib")
        return self.type


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """The volume that Docker writes to. What is None follows the AMI generation.

    `used_gib` is what the operating system has in use at boot.
    """

    type: str | None = None
    size_gib: float | None = None
    used_gib: float | None = None
    iops: int | None = None
    throughput_mibps: float | None = None
    file_system: str | None = None


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """A named profile of ECS agent settings, and what differs from it (None: as the profile)."""

    profile: str = "batch-managed"
    task_cleanup_wait_s: float | None = None
    task_cleanup_wait_jitter_s: float | None = None
    image_cleanup_disabled: bool | None = None
    image_cleanup_interval_s: float | None = None
    image_minimum_cleanup_age_s: float | None = None
    images_deleted_per_cycle: int | None = None
    pull_behavior: str | None = None
    reserved_memory_mib: int | None = None

    def changes(self) -> dict[str, Any]:
        """The settings that differ from the profile."""
        given = {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Fleet:
    """The container instances. With `scale_out: on-demand`, Batch asks for more after a burst.

    It decides `decision_s` after jobs arrive, and an instance takes jobs `boot_s` later. With
    `reacts_while_scaling: false` a burst that arrives while instances are coming asks for none.
    An instance without jobs for `idle_s` goes, down to `instances`. The three times are
    assumptions: AWS documents none of them.
    """

    instances: int | None = None
    scale_out: str = "never"
    boot_s: float = 120.0
    max_vcpus: int = 256
    idle_s: float = 600.0
    decision_s: float = 60.0
    reacts_while_scaling: bool = True

    @property
    def instances_at_start(self) -> int:
        """One when the fleet is fixed, none when Batch scales it, unless given."""
        if self.instances is not None:
            return self.instances
        return 1 if self.scale_out == "never" else 0


@dataclass(frozen=True, slots=True)
class Burst:
    """Jobs submitted together, `at_s` after the start."""

    at_s: float
    jobs: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a forecast depends on; equal scenarios have equal outcomes."""

    bursts: tuple[Burst, ...]
    name: str = "scenario"
    job: JobShape = field(default_factory=JobShape)
    image: ImageSpec = field(default_factory=ImageSpec)
    instance: InstanceSpec = field(default_factory=InstanceSpec)
    volume: VolumeSpec = field(default_factory=VolumeSpec)
    agent: AgentSpec = field(default_factory=AgentSpec)
    fleet: Fleet = field(default_factory=Fleet)
    pull_mibps: float = 200.0
    attempts: int = 1
    seed: int = 0

    @property
    def jobs(self) -> int:
        """How many jobs are submitted in all."""
        return sum(burst.jobs for burst in self.bursts)

    @classmethod
    def from_dict(cls, given: Any) -> "Scenario":
        """Read and check a scenario; whatever is wrong is refused by its dotted name."""
        values = section("", given, _SCENARIO, needed=("bursts",))
        scenario = cls(**values)
        _refuse_contradictions(scenario)
        return scenario

    def to_dict(self) -> dict[str, Any]:
        """The form of a scenario file: what `from_dict` reads, without what is left to defaults."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return {"name": plain.pop("name"), **plain}

    def changed(self, change: Mapping[str, Any]) -> "Scenario":
        """This scenario with some keys set to other values, section by section.

        >>> Scenario((Burst(0, 1),)).changed({"volume": {"size_gib": 50}}).volume.size_gib
        50.0
        """
        merged = self.to_dict()
        for key, value in change.items():
            if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
                merged[key] = {**merged[key], **value}
            else:
                merged[key] = value
        return Scenario.from_dict(merged)


def load_scenario(source: str | Path) -> Scenario:
    """A scenario from a path, or from YAML text (a string with a line break or a colon)."""
    return Scenario.from_dict(_yaml(_text(source)))


def dump_yaml(scenario: Scenario) -> str:
    """The scenario as a file that `load_scenario` reads."""
    import yaml

    return str(yaml.safe_dump(scenario.to_dict(), sort_keys=False, allow_unicode=True, width=100))


def _text(source: str | Path) -> str:
    if isinstance(source, str) and ("\n" in source or ":" in source):
        return source
    path = Path(source)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ScenarioError(f"the scenario {path}: larger than {MAX_FILE_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScenarioError(f"can't read the scenario {path}: {reason}") from error


def _yaml(content: str) -> Any:
    """The YAML document; aliases are refused, since they can be cycles or grow without bound."""
    import yaml

    if len(content) > MAX_FILE_BYTES:
        raise ScenarioError(f"the scenario is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        for event in yaml.parse(content, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ScenarioError(
                    f"the scenario uses the YAML alias *{event.anchor}: write the value out"
                )
        _refuse_twice(yaml.compose(content, Loader=yaml.SafeLoader))
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ScenarioError):
            raise
        raise ScenarioError(f"the scenario is not YAML: {' '.join(str(error).split())}") from error


def _refuse_twice(node: Any) -> None:
    """Refuse a key that stands twice in one mapping: YAML would silently take the last."""
    waiting = [node]
    while waiting:
        parts = getattr(waiting.pop(), "value", None)
        if not isinstance(parts, list):
            continue
        pairs = [part for part in parts if isinstance(part, tuple)]
        seen = set()
        for key, _ in pairs:
            if isinstance(key.value, str) and key.value in seen:
                line = key.start_mark.line + 1
                raise ScenarioError(f"{key.value} is given twice (again in line {line})")
            seen.add(str(key.value))
        waiting += [value for _, value in pairs] or parts


def _plain(value: Any) -> Any:
    if isinstance(value, Spread):
        return value.to_plain()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        held = {each.name: getattr(value, each.name) for each in fields(value)}
        return {k: _plain(v) for k, v in held.items() if v is not None and v != ()}
    return value


def _read_into(kind: type, readers: Mapping[str, Reader], needed: tuple[str, ...] = ()) -> Reader:
    def read(path: str, value: Any) -> Any:
        return kind(**section(path, value, readers, needed))

    return read


def _instance(path: str, value: Any) -> InstanceSpec:
    given = section(path, value, _INSTANCE)
    if "type" not in given and ("vcpus" in given or "memory_mib" in given):
        if not {"vcpus", "memory_mib"} <= set(given):
            raise ScenarioError(f"{path}: give a type, or both vcpus and memory_mib")
        given["type"] = None
    return InstanceSpec(**given)


def _layers(path: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return listed(_LAYER, MAX_LAYERS, "layer")(path, value)
    return whole(1, MAX_LAYERS, "layers")(path, value)


def _bursts(path: str, value: Any) -> tuple[Burst, ...]:
    bursts = listed(_BURST, MAX_BURSTS, "burst")(path, value)
    jobs = sum(burst.jobs for burst in bursts)
    if not 1 <= jobs <= MAX_JOBS:
        raise ScenarioError(f"{path} have {jobs:,} jobs: from 1 to {MAX_JOBS:,} can be run")
    return tuple(sorted(bursts, key=lambda burst: burst.at_s))


def _refuse_contradictions(scenario: Scenario) -> None:
    image, volume = scenario.image, scenario.volume
    if image.images and isinstance(image.layers, tuple):
        raise ScenarioError("image: list either layers (one image) or images (several), not both")
    if isinstance(image.layers, int) and image.shared_layers > image.layers:
        raise ScenarioError(
            f"image.shared_layers is {image.shared_layers}: it must be at most image.layers,"
            f" {image.layers}"
        )
    if volume.type not in (None, INSTANCE_STORE) and volume.size_gib is not None:
        kind = facts.volume_types()[str(volume.type)]
        if volume.size_gib > kind.max_gib:
            raise ScenarioError(
                f"volume.size_gib is {volume.size_gib:g}: a {kind.name} volume has at most"
                f" {kind.max_gib:,} GiB"
            )
    if scenario.fleet.scale_out == "never" and scenario.fleet.instances_at_start == 0:
        raise ScenarioError("fleet.instances is 0: it must be at least 1 with scale_out: never")


def _volume_types() -> dict[str, Any]:
    return {**facts.volume_types(), INSTANCE_STORE: None}


_SIZE = number(0, _MAX_GIB, "GiB")
_DURATION = spread(0, _YEAR_S, "s", above=True)
_WAIT_S = number(1, 10 * _YEAR_S, "s (the agent takes its default below 1 s)")
_INTERVAL_S = number(600, 10 * _YEAR_S, "s (below 10 min the agent takes 30 min)")
_JOB: dict[str, Reader] = {
    "vcpus": number(0, 1_024, "vCPUs", above=True),
    "memory_mib": whole(4, 32 * 1_048_576, "MiB"),
    "gpus": whole(0, 64),
    "duration_s": _DURATION,
    "writes_mib": spread(0, _MAX_GIB * 1_024, "MiB"),
    "logs_mib": number(0, _MAX_GIB * 1_024, "MiB"),
    "log_driver": choice(*LOG_DRIVERS),
    "scratch_cleaned": flag,
}
_LAYER: Reader = _read_into(
    Layer,
    {"digest": text(), "size_gib": _SIZE, "compressed_gib": _SIZE},
    needed=("digest", "size_gib", "compressed_gib"),
)
_LISTED_IMAGE: Reader = _read_into(
    ListedImage,
    {
        "name": text(),
        "weight": number(0, 1e9, above=True),
        "layers": listed(_LAYER, MAX_LAYERS, "layer"),
    },
    needed=("layers",),
)
_IMAGE: dict[str, Reader] = {
    "size_gib": spread(0, _MAX_GIB, "GiB"),
    "compressed_gib": _SIZE,
    "layers": _layers,
    "distinct": whole(1, MAX_IMAGES, "images"),
    "shared_layers": whole(0, MAX_LAYERS, "layers"),
    "storage": choice(*STORAGES),
    "images": listed(_LISTED_IMAGE, MAX_IMAGES, "image"),
}
_INSTANCE: dict[str, Reader] = {
    "type": named(facts.instance_types, "instance type"),
    "vcpus": whole(1, 4_096, "vCPUs"),
    "memory_mib": whole(4, 64 * 1_048_576, "MiB"),
    "gpus": whole(0, 64),
    "ami": choice("al1", "al2", "al2023", "custom"),
}
_VOLUME: dict[str, Reader] = {
    "type": named(_volume_types, "volume type"),
    "size_gib": number(0, _MAX_GIB, "GiB", above=True),
    "used_gib": _SIZE,
    "iops": whole(1, 1_000_000, "IOPS"),
    "throughput_mibps": number(0, 100_000, "MiB/s", above=True),
    "file_system": choice("xfs", "ext4"),
}
_AGENT: dict[str, Reader] = {
    "profile": named(facts.agent_profiles, "agent profile"),
    "task_cleanup_wait_s": _WAIT_S,
    "task_cleanup_wait_jitter_s": number(0, _YEAR_S, "s"),
    "image_cleanup_disabled": flag,
    "image_cleanup_interval_s": _INTERVAL_S,
    "image_minimum_cleanup_age_s": number(-_YEAR_S, 10 * _YEAR_S, "s"),
    "images_deleted_per_cycle": whole(1, 1_000_000),
    "pull_behavior": choice("default", "always", "once", "prefer-cached"),
    "reserved_memory_mib": whole(0, 65_535, "MiB"),
}
_FLEET: dict[str, Reader] = {
    "instances": whole(0, MAX_INSTANCES, "instances"),
    "scale_out": choice("never", "on-demand"),
    "boot_s": number(0, 86_400, "s"),
    "max_vcpus": whole(0, 1_000_000, "vCPUs"),
    "idle_s": number(0, _YEAR_S, "s"),
    "decision_s": number(0, 86_400, "s"),
    "reacts_while_scaling": flag,
}
_BURST: Reader = _read_into(
    Burst,
    {"at_s": number(0, 10 * _YEAR_S, "s"), "jobs": whole(0, 10**12, "jobs")},
    needed=("at_s", "jobs"),
)
_SCENARIO: dict[str, Reader] = {
    "name": text(),
    "job": _read_into(JobShape, _JOB),
    "image": _read_into(ImageSpec, _IMAGE),
    "instance": _instance,
    "volume": _read_into(VolumeSpec, _VOLUME),
    "agent": _read_into(AgentSpec, _AGENT),
    "fleet": _read_into(Fleet, _FLEET),
    "bursts": _bursts,
    "pull_mibps": number(0.001, 100_000, "MiB/s"),
    "attempts": whole(1, 10, "attempts (Batch's limit)"),
    "seed": whole(0, 2**63 - 1),
}
