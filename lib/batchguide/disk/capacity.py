"""What of a volume Docker can take: the file system's own share, and the layout of an AMI.

Read in source: how mkfs.ext4 and mkfs.xfs divide a volume; measured: file systems of 1 to 1000 GiB
made and asked, which these formulas meet to a ten-thousandth. AMI layouts are AWS's; what an AMI
has in use at boot is as well known as `AmiGeneration.used_evidence` says.
"""

from dataclasses import dataclass

from batchguide import facts
from batchguide.disk.docker import constant, file_system
from batchguide.units import GIB, MIB, gib

_EXT4_INODE_SHARE = 1 / 64  # 256 bytes for every 16 KiB
_EXT4_BITMAP_SHARE = 1 / 16_384  # two blocks for every 128 MiB
_EXT4_HIDDEN_BYTES = 4096 * 4096  # the kernel's own reserve, which nobody can take
_EXT4_JOURNAL_MIB = ((1, 16), (2, 32), (16, 64), (32, 128), (64, 256), (128, 512))
_XFS_LEAST_LOG_MIB, _XFS_MOST_LOG_MIB = 64.0, 2038.0
_XFS_FIXED_BYTES, _XFS_RESERVE_SHARE = 33.3e6, 7.486e6 / GIB  # per-group reserves with reflink


def usable_gib(volume_gib: float, fs: str, *, root: bool = True) -> float:
    """What of a volume files can take, once the file system has taken its own.

    `root`: whether the writer is root, as Docker and, unless told otherwise, jobs are; others can't
    take ext4's reserve of 5 %. Partition tables (a few MiB) are left out.

    >>> round(usable_gib(30, "xfs"), 2), round(usable_gib(30, "ext4"), 2)
    (29.7, 29.35)
    >>> round(usable_gib(30, "ext4", root=False), 2)
    27.85
    """
    system = file_system(fs)
    overhead = _ext4_overhead(volume_gib) if fs == "ext4" else _xfs_overhead(volume_gib)
    reserved = 0.0 if root else system.reserved_share * volume_gib
    return max(volume_gib - gib(overhead) - reserved, 0.0)


def _ext4_overhead(volume_gib: float) -> float:
    """Bytes of inode tables, bitmaps, journal, room to grow, and the kernel's own reserve."""
    size = volume_gib * GIB
    journal_mib = next((mib for below, mib in _EXT4_JOURNAL_MIB if volume_gib < below), 1024)
    grow_blocks = min(1024.0, 128 * volume_gib) + volume_gib / 8
    grow = grow_blocks * 4096 * _ext4_backups(int(volume_gib * 8))
    hidden = min(_EXT4_HIDDEN_BYTES, 0.02 * size)
    tables = size * (_EXT4_INODE_SHARE + _EXT4_BITMAP_SHARE)
    return tables + journal_mib * MIB + grow + hidden


def _ext4_backups(groups: int) -> int:
    """Block groups with a copy of the superblock: 0, 1 and the powers of 3, 5 and 7."""
    powers = (base**power for base in (3, 5, 7) for power in range(1, 64))
    return 2 + sum(1 for group in powers if group < groups)


def _xfs_overhead(volume_gib: float) -> float:
    """Bytes of log and per-group reserves, as mkfs.xfs 6.1 makes them (reflink on)."""
    log_mib = min(max(volume_gib / 2, _XFS_LEAST_LOG_MIB), _XFS_MOST_LOG_MIB)
    return log_mib * MIB + _XFS_FIXED_BYTES + _XFS_RESERVE_SHARE * volume_gib * GIB


@dataclass(frozen=True, slots=True)
class DataRoot:
    """Where Docker keeps its bytes on an instance, in GiB that its own things can take.

    `capacity_gib` takes layers and what containers write. `root_capacity_gib` is None where that
    is one volume; on Amazon Linux 1 it is the root volume, which takes blobs in flight and logs.
    """

    fs: str
    capacity_gib: float
    root_capacity_gib: float | None
    per_container_limit_gib: float | None


def data_root(
    ami: facts.AmiGeneration,
    root_gib: float | None = None,
    data_gib: float | None = None,
    used_at_boot_gib: float | None = None,
) -> DataRoot:
    """The data root of an AMI generation, with its volumes enlarged or as they come.

    Amazon Linux 1 gives Docker 99 % of its second volume as a thin pool, and refuses new
    containers and layers when less than a tenth of it is free.
    """
    used = ami.used_at_boot_gib if used_at_boot_gib is None else used_at_boot_gib
    root = max(usable_gib(root_gib or ami.root_gib, ami.filesystem) - used, 0.0)
    if ami.data_device is None:
        return DataRoot(ami.filesystem, root, None, ami.per_container_limit_gib)
    pool = (data_gib or ami.data_gib or 0.0) * constant("thin_pool_share")
    free_share = 1 - (ami.data_reserve_share or 0.0)
    return DataRoot(ami.filesystem, pool * free_share, root, ami.per_container_limit_gib)
