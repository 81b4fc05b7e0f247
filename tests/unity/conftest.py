"""Compiles the Unity package with mono against declarations of Unity's own classes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

MCS, MONO = shutil.which("mcs"), shutil.which("mono")
if not (MCS and MONO):
    NEEDS_MONO = "needs mono: apt-get install mono-mcs mono-runtime"
    pytest.skip(NEEDS_MONO, allow_module_level=True)

STUBS = Path(__file__).parent / "stubs"
HOST = Path(__file__).parent / "host"
UNASSIGNED_IN_THE_INSPECTOR = "0649,0414,0067"
"""Fields that Unity's inspector sets, and events that stubs never raise, look unused to a compiler."""


@pytest.fixture(scope="session")
def package(repo_dir: Path) -> Path:
    """The folder that Unity installs."""
    return repo_dir / "unity" / "com.sam-edge.client"


def compile_csharp(out: Path, sources: list[Path], references: list[Path] | None = None) -> None:
    """Compile a program or a library; every warning is an error."""
    kind = "library" if out.suffix == ".dll" else "exe"
    linked = [f"-reference:{path}" for path in references or []]
    options = ["-langversion:7.2", "-warnaserror", f"-nowarn:{UNASSIGNED_IN_THE_INSPECTOR}"]
    command = [str(MCS), *options, f"-target:{kind}", f"-out:{out}", *linked, *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def run_host(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Run the package's own classes with one of host/Program.cs's commands; returns the lines that it prints."""
    program = tmp_path_factory.mktemp("unity") / "host.exe"
    samples = sorted((package / "Samples~" / "FakeDevice").glob("*.cs"))
    unity = [STUBS / name for name in ("UnityMath.cs", "UnityEngine.cs", "Stage.cs")]
    sources = [*sorted((package / "Runtime").glob("*.cs")), *samples, *unity, *sorted(HOST.glob("*.cs"))]
    compile_csharp(program, sources)

    def run(*arguments: str, text: str = "") -> list[str]:
        done = subprocess.run(
            [str(MONO), str(program), *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        return done.stdout.splitlines()

    return run
