"""Each assembly of the package compiles by itself, against the assemblies that its definition names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unity.conftest import STUBS, compile_csharp

SAMPLES = ["FakeDevice", "OpenXRGaze", "QuestPassthrough", "AndroidXR"]


@pytest.fixture(scope="module")
def libraries(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Libraries by the names that assembly definitions use: Unity's declarations, other packages', ours."""
    folder = tmp_path_factory.mktemp("assemblies")
    unity, other, ours = (
        folder / f"{name}.dll" for name in ("UnityEngine", "OtherPackages", "SamEdge.Client")
    )
    compile_csharp(unity, [STUBS / name for name in ("UnityMath.cs", "UnityEngine.cs", "Stage.cs")])
    compile_csharp(other, [STUBS / "OtherPackages.cs"], [unity])
    compile_csharp(ours, sorted((package / "Runtime").glob("*.cs")), [unity])
    found = {"UnityEngine": unity, "SamEdge.Client": ours}
    return found | dict.fromkeys(("Unity.InputSystem", "meta.xr.mrutilitykit", "UnityEditor"), other)


def references_of(folder: Path) -> list[str]:
    (definition,) = folder.glob("*.asmdef")
    stated = json.loads(definition.read_text(encoding="utf-8"))
    assert stated["name"] == definition.stem
    return list(stated["references"])


def test_the_editor_compiles(package: Path, libraries: dict[str, Path], tmp_path: Path) -> None:
    names = ["UnityEngine", "UnityEditor", *references_of(package / "Editor")]
    sources = sorted((package / "Editor").glob("*.cs"))
    compile_csharp(tmp_path / "editor.dll", sources, [libraries[name] for name in names])


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_compiles(package: Path, libraries: dict[str, Path], tmp_path: Path, sample: str) -> None:
    folder = package / "Samples~" / sample
    names = ["UnityEngine", *references_of(folder)]
    compile_csharp(tmp_path / "sample.dll", sorted(folder.glob("*.cs")), [libraries[name] for name in names])


def test_a_wrong_program_does_not_compile(libraries: dict[str, Path], tmp_path: Path) -> None:
    source = tmp_path / "wrong.cs"
    source.write_text("class Wrong { SamEdge.FrameCredit credit; }", encoding="utf-8")
    with pytest.raises(AssertionError, match="FrameCredit"):
        compile_csharp(tmp_path / "wrong.dll", [source], [libraries["SamEdge.Client"]])
