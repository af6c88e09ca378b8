"""What Docker puts on a file system beside images, and what it says when that is full.

Measured (Docker Engine 20.10.24, overlay2; the figures stand in data/docker.csv with the file each
comes from): the bytes of a container, of its log by driver, and the texts and order of failures.
Read in source: log rotation. A model: that a container's bytes grow linearly with what its job
writes. Left out: copies that overlayfs makes when a job changes a
file of its image (the whole file on ext4; about 0.2 MB with xfs reflink).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from batchguide import facts
from batchguide.errors import UserError
from batchguide.units import MIB, gib


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The bytes that Docker's things take on a file system; each is a row of data/docker.csv."""

    name: str
    block_bytes: float
    file_bytes: float
    directory_bytes: float
    layer_bytes: float
    layer_record_bytes: float
    image_bytes: float
    first_image_bytes: float
    container_created_bytes: float
    container_running_bytes: float
    container_bytes: float
    first_container_bytes: float
    bare_image_bytes: float
    failed_pull_bytes: float
    reserved_share: float


@cache
def constants() -> Mapping[tuple[str, str], float]:
    """The rows of data/docker.csv by (name, file system); "" where it does not matter."""
    table = facts.rows("docker.csv")
    return MappingProxyType(
        {(row["name"], row["filesystem"]): float(row["value"]) for row in table}
    )


def constant(name: str, fs: str = "") -> float:
    """One number of data/docker.csv."""
    return constants()[name, fs]


@cache
def file_system(name: str) -> FileSystem:
    """The file system of that name; only ext4 and xfs were measured."""
    if name not in ("ext4", "xfs"):
        raise UserError(f"file system {name!r} was not measured; allowed: ext4, xfs")
    fields = [field for field in FileSystem.__dataclass_fields__ if field != "name"]
    return FileSystem(name, **{field: constant(field, name) for field in fields})


def on_blocks(size_bytes: float, block_bytes: float = 4096) -> float:
    """A file's bytes as the file system rounds them.

    >>> on_blocks(17_000)
    20480
    """
    return math.ceil(size_bytes / block_bytes) * block_bytes


def container_overhead_gib(fs: str) -> float:
    """What a stopped container that wrote nothing keeps until it is removed.

    >>> round(container_overhead_gib("ext4") * 1024**3)
    119400
    """
    return gib(file_system(fs).container_bytes)


def container_gib(
    writes_gib: float, fs: str, log_gib: float = 0.0, *, bare_image: bool = False
) -> float:
    """What a stopped container keeps: what it wrote, its log, and the overhead.

    `bare_image`: the image lacks /dev, /proc, /sys and /etc, which the engine then makes for each
    container. Whole blocks are not counted for writes: a job's files are few and large, or their
    number is part of the image of its work that only the job knows.
    """
    bare = file_system(fs).bare_image_bytes if bare_image else 0.0
    return writes_gib + log_gib + container_overhead_gib(fs) + gib(bare)


def containers_gib(count: int, writes_gib: float, fs: str, log_gib: float = 0.0) -> float:
    """What `count` stopped containers keep, with what the first one leaves for good."""
    first = gib(file_system(fs).first_container_bytes) if count else 0.0
    return first + count * container_gib(writes_gib, fs, log_gib)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """A log driver's rotation, as in `log-opts`; `None` means that the log is never cut."""

    max_size_bytes: float | None = None
    max_files: int = 1
    compress: bool = False


def log_gib(
    driver: str,
    lines: float,
    line_characters: float = 100,
    options: LogOptions | None = None,
    gzip_share: float | None = None,
) -> float:
    """Bytes on the volume of a container's log.

    json-file keeps all unless told otherwise (70 bytes a line more than its characters). local
    keeps five files of 20 MiB, all but the newest compressed. Every driver that sends logs away
    (awslogs, fluentd, gelf, splunk, ...) keeps a local copy since Docker 20.10, rotated as local;
    its size, half of local's, was measured with gelf and stands here for all. none keeps nothing.

    >>> round(log_gib("json-file", 1_000_000) * 1024**3 / 1e6)
    170
    """
    characters = lines * line_characters
    if driver == "none" or lines <= 0:
        return 0.0
    if driver == "json-file":
        total = characters + lines * constant("json_line_extra_bytes")
        return gib(on_blocks(_rotated(total, options or LogOptions(), gzip_share)))
    options = options or _local_options()
    total = characters + lines * constant("local_line_extra_bytes")
    if driver != "local":
        total *= constant("cache_share")
    return gib(on_blocks(_rotated(total, options, gzip_share)))


def printed_log_gib(driver: str, printed_mib: float) -> float:
    """Bytes on the volume of a log of that size as printed, in lines of 100 characters.

    >>> round(printed_log_gib("json-file", 100) * 1024)
    170
    """
    return log_gib(driver, printed_mib * MIB / 100)


def _local_options() -> LogOptions:
    return LogOptions(constant("local_file_bytes"), int(constant("local_files")), compress=True)


def _rotated(total_bytes: float, options: LogOptions, gzip_share: float | None) -> float:
    """What is kept of a log: the newest file, and the older ones that `max_files` allows."""
    if options.max_size_bytes is None:
        return total_bytes
    full_files, newest = divmod(total_bytes, options.max_size_bytes)
    kept = min(full_files, options.max_files - 1)
    share = gzip_share if gzip_share is not None else constant("local_gzip_share")
    return newest + kept * options.max_size_bytes * (share if options.compress else 1.0)


FULL_ORDER = ("download", "register", "create", "start", "write")
"""What fails on a full file system, in the order in which a job meets it.

Running containers go on, and `inspect`, `ps` and `exec` still answer; the daemon itself may not
start again. A container that failed to start stays `created`, with exit code 128.
"""

_TEXTS = {
    "download": "CannotPullContainerError: write {where}: no space left on device",
    "register": "CannotPullContainerError: failed to register layer: Error processing tar file"
    "(exit status 1): write {where}: no space left on device",
    "create": "CannotCreateContainerError: Error response from daemon: mkdir {where}: "
    "no space left on device",
    "start": "CannotStartContainerError: Error response from daemon: failed to start shim: "
    "mkdir {where}: no space left on device",
    "write": "error writing '{where}': No space left on device",
}
_WHERE = {
    "download": "/var/lib/docker/tmp/GetImageBlob{serial}",
    "register": "/usr/lib/libexample.so",
    "create": "/var/lib/docker/overlay2/{serial}",
    "start": "/var/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{serial}",
    "write": "/scratch",
}


def full_text(stage: str, where: str | None = None, serial: int = 887491687) -> str:
    """What the job's status reason says when the file system is full.

    A pull that fails says so after the agent's attempts; a full disk does not make Docker retry.
    `write` is what a job's own program prints: Docker and the agent report its exit code alone.
    Where no path is given, an example stands for it.

    >>> full_text("download", where="/var/lib/docker/tmp/GetImageBlob8874")
    'CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob8874: no space left on device'
    """
    place = where if where is not None else _WHERE[stage].format(serial=serial)
    return _TEXTS[stage].format(where=place)


def thin_pool_text(free_gib: float, pool_gib: float) -> str:
    """What Docker says on Amazon Linux 1 when less than a tenth of the thin pool is free.

    >>> thin_pool_text(2.1245, 21.75).partition(" Create more")[0].partition("less than ")[2]
    'minimum required 4454 free data blocks.'
    """
    block_gib = gib(constant("thin_pool_block_bytes"))
    free, needed = int(free_gib / block_gib), int(pool_gib * 0.1 / block_gib)
    return (
        f"CannotCreateContainerError: devicemapper: Thin Pool has {free} free data blocks which is "
        f"less than minimum required {needed} free data blocks. Create more free space in thin "
        "pool or use dm.min_free_space option to change behavior"
    )


def failing_start(free_gib: float, fs: str) -> str | None:
    """Which step of a new container the free space does not suffice for, if any."""
    system = file_system(fs)
    if free_gib < gib(system.container_created_bytes):
        return "create"
    if free_gib < gib(system.container_running_bytes):
        return "start"
    return None


def first_failing_job(
    free_gib: float, writes_gib: float, fs: str, *, running: int = 0, log_gib: float = 0.0
) -> float:
    """The job, counted from 1, at which a data root without cleanup is full.

    Linear: free bytes over what a container keeps. The jobs running beside it have written a part
    of theirs; as measured, `running` jobs at a time on average half of it, and the failing job is
    among them.
    """
    each = container_gib(writes_gib, fs, log_gib)
    room = free_gib - gib(file_system(fs).first_container_bytes)
    return max(room / each - running / 2, 0.0) + 1
