"""Cores that this process may use: bounded by its affinity, and by the CPU quota of its control groups (containers)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class CpuQuota:
    """CPU time that a control group grants this process and all others in it."""

    cores: float
    """CPU seconds per second of real time: 1.5 is one and a half cores."""
    path: Path
    """The file that sets it: `cpu.max` of version 2, `cpu.cfs_quota_us` of version 1."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted hierarchy of control groups, or a part of one."""

    root: PurePosixPath
    """The group that the mount point shows: not `/` in a container without a namespace for control groups."""
    folder: Path
    """The mount point."""
    version: int
    """Version of the control groups, 1 or 2."""


def available_cores() -> int:
    """Return the number of threads that keep busy the cores this process may use.

    It is the number of cores in the affinity, or the CPU quota rounded up if that is less; at least 1.
    """
    allowed = len(allowed_cores())
    quota = read_cpu_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota.cores)))


def codec_threads() -> int:
    """Return the number of threads for a video codec: 0 leaves it to FFmpeg, which knows the affinity but no quota."""
    cores = available_cores()
    return cores if cores < len(allowed_cores()) else 0


def allowed_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on (its affinity); a quota does not change them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def read_cpu_quota(process: Path = PROCESS) -> CpuQuota | None:
    """Return the smallest CPU quota of the process's own control group and the groups above it; None without any.

    Both versions of control groups are read, also when they are mounted together. In a container only the groups that
    are mounted in it can be seen.

    Args:
        process: folder of the process in `/proc`, with its files `cgroup` and `mountinfo`.
    """
    mounts = list(_read_mounts(process / "mountinfo"))
    quotas = [
        CpuQuota(cores, path)
        for version, group in _read_groups(process / "cgroup")
        for mount in mounts
        if mount.version == version
        for folder in _folders_upwards(mount, group)
        for path, cores in _read_quotas(folder)
    ]
    return min(quotas, key=lambda quota: quota.cores, default=None)


def _read_groups(path: Path) -> Iterator[tuple[int, PurePosixPath]]:
    """Yield version and path of each control group that can hold a CPU quota. Lines are `ID:CONTROLLERS:PATH`."""
    for line in _read_text(path).splitlines():
        _, _, rest = line.partition(":")
        controllers, found, group = rest.partition(":")
        if found and not controllers:
            yield 2, PurePosixPath(group)
        elif found and "cpu" in controllers.split(","):
            yield 1, PurePosixPath(group)


def _read_mounts(path: Path) -> Iterator[_Mount]:
    """Yield the mounted hierarchies that can hold a CPU quota, as `proc(5)` describes `mountinfo`."""
    for line in _read_text(path).splitlines():
        mounted, _, source = line.partition(" - ")
        fields, tail = mounted.split(" "), source.split(" ")
        if len(fields) < 5 or len(tail) < 3:
            continue
        root, folder = PurePosixPath(_unescape(fields[3])), Path(_unescape(fields[4]))
        if tail[0] == "cgroup2":
            yield _Mount(root, folder, 2)
        elif tail[0] == "cgroup" and "cpu" in tail[2].split(","):
            yield _Mount(root, folder, 1)


def _folders_upwards(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """Yield the folder of a control group and those of the groups above it, as far as the mount shows them."""
    inside = group.is_relative_to(mount.root) and ".." not in group.parts
    folder = mount.folder / group.relative_to(mount.root) if inside else mount.folder
    yield folder
    while folder != mount.folder:
        folder = folder.parent
        yield folder


def _read_quotas(folder: Path) -> Iterator[tuple[Path, float]]:
    """Yield the file and the quota, in cores, that a control group sets itself."""
    for path, text in (
        (folder / "cpu.max", _read_text(folder / "cpu.max")),
        (
            folder / "cpu.cfs_quota_us",
            f"{_read_text(folder / 'cpu.cfs_quota_us')} {_read_text(folder / 'cpu.cfs_period_us')}",
        ),
    ):
        match = re.fullmatch(r"\s*([1-9]\d*)\s+([1-9]\d*)\s*", text)
        if match:  # else `max`, or -1: no quota
            yield path, int(match[1]) / int(match[2])


def _unescape(text: str) -> str:
    """Replace the octal escapes of blanks in `mountinfo`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
