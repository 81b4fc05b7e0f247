"""Cores that a process may use: made trees of control groups, and a real group with a quota where one can be made."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_edge import cores
from sam_edge.cores import allowed_cores, available_cores, codec_threads, read_cpu_quota
from sam_edge.runtimes import RuntimeOptions

CPU_GROUPS = Path("/sys/fs/cgroup/cpu")
"""Where Linux distributions mount the controller `cpu` of version 1."""


class Groups:
    """A made `/proc/PID` and the control groups that its `mountinfo` names."""

    def __init__(self, folder: Path) -> None:
        self.process = folder / "process"
        self.process.mkdir()
        self.v1 = folder / "cpu,cpuacct"
        self.v2 = folder / "unified groups"
        self.mounts = ["22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw"]
        self.lines = ["7:memory:/elsewhere"]

    def mount(self, version: int, *, root: str = "/") -> None:
        """Mount the groups below `root`."""
        folder, kind, options = {
            1: (self.v1, "cgroup", "rw,cpu,cpuacct"),
            2: (self.v2, "cgroup2", "rw,nsdelegate"),
        }[version]
        escaped = str(folder).replace(" ", r"\040")
        self.mounts.append(f"31 22 0:26 {root} {escaped} rw shared:4 - {kind} cgroup {options}")

    def join(self, version: int, group: str) -> None:
        """Put the process into a group."""
        self.lines.append({1: f"4:cpu,cpuacct:{group}", 2: f"0::{group}"}[version])

    def limit_v1(self, group: str, quota_us: int, period_us: int = 100_000) -> Path:
        """Set a quota of version 1."""
        folder = self.v1 / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.cfs_period_us").write_text(f"{period_us}\n")
        (folder / "cpu.cfs_quota_us").write_text(f"{quota_us}\n")
        return folder / "cpu.cfs_quota_us"

    def limit_v2(self, group: str, text: str) -> Path:
        """Set a quota of version 2."""
        folder = self.v2 / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.max").write_text(f"{text}\n")
        return folder / "cpu.max"

    def read(self) -> cores.CpuQuota | None:
        """Write the files of `/proc`, and read the quota."""
        (self.process / "mountinfo").write_text("\n".join(self.mounts) + "\n")
        (self.process / "cgroup").write_text("\n".join(self.lines) + "\n")
        return read_cpu_quota(self.process)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def test_without_control_groups_there_is_no_quota(tmp_path: Path, groups: Groups) -> None:
    assert read_cpu_quota(tmp_path / "nothing") is None
    assert groups.read() is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("150000 100000", 1.5), ("20000 10000", 2.0), ("max 100000", None), ("", None), ("0 0", None)],
)
def test_version_2(groups: Groups, text: str, expected: float | None) -> None:
    groups.mount(2)
    groups.join(2, "/kubepods/pod1")
    path = groups.limit_v2("kubepods/pod1", text)
    assert groups.read() == (expected and cores.CpuQuota(expected, path))


@pytest.mark.parametrize(("quota_us", "expected"), [(50_000, 0.5), (400_000, 4.0), (-1, None)])
def test_version_1(groups: Groups, quota_us: int, expected: float | None) -> None:
    groups.mount(1)
    groups.join(1, "/docker/abc")
    path = groups.limit_v1("docker/abc", quota_us)
    assert groups.read() == (expected and cores.CpuQuota(expected, path))


def test_a_smaller_quota_of_a_parent_counts(groups: Groups) -> None:
    groups.mount(2)
    groups.join(2, "/slice/service/part")
    groups.limit_v2("slice/service/part", "max 100000")
    groups.limit_v2("slice/service", "300000 100000")
    path = groups.limit_v2("slice", "250000 100000")
    groups.limit_v2("other", "10000 100000")
    assert groups.read() == cores.CpuQuota(2.5, path)


def test_both_versions_mounted_together(groups: Groups) -> None:
    """The hybrid layout of systemd: `cpu` in version 1, a tree of version 2 without it."""
    groups.mount(2)
    groups.mount(1)
    groups.join(1, "/job")
    groups.join(2, "/init.scope")
    (groups.v2 / "init.scope").mkdir(parents=True)
    path = groups.limit_v1("job", 150_000)
    assert groups.read() == cores.CpuQuota(1.5, path)


def test_the_mount_of_a_container_shows_its_own_group_as_the_root(groups: Groups) -> None:
    """Without a namespace for control groups `/proc/self/cgroup` names the path of the host."""
    groups.mount(1, root="/docker/abc")
    groups.join(1, "/docker/abc/inner")
    groups.limit_v1(".", 200_000)
    path = groups.limit_v1("inner", 100_000)
    assert groups.read() == cores.CpuQuota(1.0, path)


@pytest.mark.parametrize("group", ["/../outside", "/another/place"])
def test_a_group_outside_the_mount_falls_back_to_the_mount(groups: Groups, group: str) -> None:
    groups.mount(2, root="/docker/abc")
    groups.join(2, group)
    path = groups.limit_v2(".", "100000 100000")
    groups.limit_v2("../outside", "1000 100000")
    assert groups.read() == cores.CpuQuota(1.0, path)


@pytest.mark.parametrize(
    ("quota", "allowed", "expected"),
    [(None, 8, 8), (0.3, 8, 1), (1.0, 8, 1), (1.5, 8, 2), (4.0, 8, 4), (16.0, 8, 8)],
)
def test_the_quota_bounds_the_threads(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, allowed: int, expected: int
) -> None:
    monkeypatch.setattr(
        cores, "read_cpu_quota", lambda: None if quota is None else cores.CpuQuota(quota, Path("cpu.max"))
    )
    monkeypatch.setattr(cores, "allowed_cores", lambda: list(range(allowed)))
    assert available_cores() == RuntimeOptions().thread_count == expected
    assert codec_threads() == (0 if expected == allowed else expected)


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A control group of this machine whose quota is half a core."""
    if sys.platform != "linux":
        pytest.skip("control groups exist on Linux only")
    folder = CPU_GROUPS / f"sam-edge-test-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no group with a quota can be made in {CPU_GROUPS} (version 1, by root): {error}")
    yield folder
    folder.rmdir()


def test_doctor_shows_the_quota_of_a_real_group(real_group: Path) -> None:
    command = f"echo $$ > {real_group}/cgroup.procs && exec {sys.executable} -m sam_edge.cli doctor"
    printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("cores"))
    assert line == (
        f"cores    1 used; affinity {len(allowed_cores())} of {os.cpu_count()}, "
        f"CPU quota 0.5 ({real_group}/cpu.cfs_quota_us)"
    )


def test_the_affinity_bounds_the_threads() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity of processes")
    code = (
        "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]);"
        "from sam_edge.cores import available_cores; print(available_cores())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "1\n"
