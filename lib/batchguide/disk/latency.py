"""How long Docker takes to create, start and inspect a container when its volume is busy.

Why: an inspect waits for the lock that a start holds through mount, network, shim and checkpoint,
and the ECS agent gives it 30 s. Starting writes little, but one small synchronous write after
another, and each stands in the queue behind whatever else writes.

    time = processor part + writes x starting / IOPS + waits x MiB queued / MiB/s

Read in source (moby, ECS agent): the lock, the fsynced checkpoints, the 30 s. Measured: medians of
15 cells (device x file system x pressure, 12 containers about, some one starting at a time), and
how much write-back was under way. A model: the rule above, with its parameters in data/docker.csv
fitted on those cells. Medians of a starting container's inspect come out within a factor of 1.5,
all claimed medians within 1.9; with a cell left out of the fit, that cell within 1.7 and 2.6
(tests/disk/test_latency.py): the cell at 29.5 s then comes out at 38 s, so a median predicted
between 20 and 45 s doesn't tell on which side of 30 s the next machine falls. Assumed: that the
queue grows with the number of writers, that containers starting at once share IOPS and processors,
and everything about `stop`.
"""

import math
from dataclasses import dataclass

from batchguide.disk.docker import constant
from batchguide.disk.volume import Device
from batchguide.errors import UserError

TIMEOUT_TEXT = (
    "CannotInspectContainerError: Could not transition to inspecting; timed out after waiting 30s"
)
_MEASURED_VCPUS = 2.0
_FULL = 0.95  # of the throughput: beyond it the queue is as long as its writers make it


@dataclass(frozen=True, slots=True)
class Pressure:
    """What else writes to the volume while a container starts.

    Three kinds of writers, each a number: `direct` (O_DIRECT, no cache), `fsync` (through the
    cache, with fsync: databases, checkpoints) and `jobs` that write `job_mib` each through the
    cache and end, `jobs_mibps` all together.
    """

    direct: float = 0.0
    fsync: float = 0.0
    jobs: float = 0.0
    job_mib: float = 0.0
    jobs_mibps: float = 0.0


NO_PRESSURE = Pressure()


def queued_mib(pressure: Pressure, device: Device, fs: str) -> float:
    """MiB that a small synchronous write finds in front of it."""
    fsync = pressure.fsync * constant("fsync_queue_mib", fs)
    direct = pressure.direct * constant("direct_queue_mib")
    return fsync + direct + _jobs_queue_mib(pressure, device, fs)


def _jobs_queue_mib(pressure: Pressure, device: Device, fs: str) -> float:
    """What jobs' write-back has queued on average, as a queue with whole jobs arriving at random.

    Pollaczek and Khinchine: load x job / 2 / (1 - load). No job queues more than a writer that
    fsyncs does.
    """
    load = pressure.jobs_mibps / device.large_mibps
    most = pressure.jobs * min(pressure.job_mib, constant("fsync_queue_mib", fs))
    if load >= _FULL:
        return most
    return min(load * pressure.job_mib / 2 / (1 - load), most)


def operation_s(
    operation: str,
    device: Device,
    fs: str,
    pressure: Pressure = NO_PRESSURE,
    *,
    starting: float = 1.0,
    vcpus: float = _MEASURED_VCPUS,
) -> float:
    """Median seconds of an operation: "create", "start", "settle" or "stop".

    "settle" is the first inspect after a start. `starting`: containers starting at a time.
    """
    if operation not in ("create", "start", "settle", "stop"):
        raise UserError(f"operation {operation!r}; allowed: create, start, settle, stop")
    queue_mib = queued_mib(pressure, device, fs)
    writes_s = constant(f"{operation}_writes") * max(starting, 1.0) / device.iops
    waits_s = constant(f"{operation}_waits", fs) * queue_mib / device.large_mibps
    return _processor_s(operation, pressure, starting, vcpus) + writes_s + waits_s


def _processor_s(operation: str, pressure: Pressure, starting: float, vcpus: float) -> float:
    """Buffered writers take processor time from a start, as do other starts beyond the vCPUs."""
    writers = (pressure.jobs + pressure.fsync) * _MEASURED_VCPUS / vcpus
    shared = 1 + constant("writer_processor_share") * writers
    return constant(f"{operation}_idle_s") * shared * max(starting / vcpus, 1.0)


def create_s(device: Device, fs: str, pressure: Pressure = NO_PRESSURE) -> float:
    """Median seconds of `docker create`."""
    return operation_s("create", device, fs, pressure)


def start_s(
    device: Device, fs: str, pressure: Pressure = NO_PRESSURE, *, starting: float = 1.0
) -> float:
    """Median seconds of `docker start`.

    >>> fsync = Pressure(fsync=4)
    >>> round(start_s(Device(3000, 125), "ext4")), round(start_s(Device(3000, 125), "ext4", fsync))
    (0, 29)
    """
    return operation_s("start", device, fs, pressure, starting=starting)


def stop_s(device: Device, fs: str, pressure: Pressure = NO_PRESSURE) -> float:
    """Seconds that Docker takes to note an exit. Not measured: two fsynced files, as in source."""
    return operation_s("stop", device, fs, pressure)


def inspect_starting_s(
    device: Device, fs: str, pressure: Pressure = NO_PRESSURE, *, starting: float = 1.0
) -> float:
    """Median seconds of an inspect sent when a start begins: as long as the start itself.

    Of containers created, running or exited: about a millisecond, whatever the pressure.
    """
    return start_s(device, fs, pressure, starting=starting)


def inspect_timeout_risk(
    device: Device, fs: str, pressure: Pressure = NO_PRESSURE, *, starting: float = 1.0
) -> float:
    """P(inspect of a starting container takes more than 30 s), and the job ends with TIMEOUT_TEXT.

    A model: times spread log-normally about the median, as widely as within the measured cells
    (more with fsyncing writers). The error of the median itself is not in it.
    """
    return tail(
        inspect_starting_s(device, fs, pressure, starting=starting),
        constant("inspect_timeout_s"),
        constant("spread_fsync") if pressure.fsync else constant("spread_calm"),
    )


def tail(median: float, limit: float, spread: float) -> float:
    """P(X > limit) of a log-normal X, `spread` being the standard deviation of its logarithm.

    >>> tail(30.0, 30.0, 0.6)
    0.5
    """
    return 0.5 * math.erfc(math.log(limit / median) / spread / math.sqrt(2))
