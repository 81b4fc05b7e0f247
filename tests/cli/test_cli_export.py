"""`sam-edge export` and `sam-edge verify`: what they refuse, what they print, what they leave behind."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.bundle import MANIFEST, SCHEMA, Manifest, open_bundle
from sam_edge.cli import export
from sam_edge.errors import MissingExtraError
from sam_edge.segmenter import DEFAULT_BUNDLE

LABELLED = DEFAULT_BUNDLE.parent / "labelled"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of eight pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(5)
    for number in range(8):
        small = generator.integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(
            str(folder / f"{number}.png"), cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC)
        )
    return folder


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """One picture of the package's labelled set."""
    folder = tmp_path / "labelled"
    name = sorted((LABELLED / "images").iterdir())[0]
    for source in (name, LABELLED / "labels" / f"{name.stem}.txt"):
        (folder / source.parent.name).mkdir(parents=True)
        shutil.copy(source, folder / source.parent.name)
    return folder


def copy_of_the_package(model: Any, out: Path, *, precision: str, calibration: Any, gate: Any) -> Manifest:
    """Stand in for an exporter: the package's own bundle instead of a new one."""
    from sam_edge.exporters.bundle_writer import new_folder

    with new_folder(out) as folder:
        shutil.copytree(DEFAULT_BUNDLE, folder, dirs_exist_ok=True)
        made: Manifest = gate.check(folder)
        return made


@pytest.fixture
def exported(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, labelled: Path, pictures: Path, tmp_path: Path
) -> list[object]:
    """Arguments of an export that works, by a stand-in that takes no time."""
    pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
    pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")
    monkeypatch.setattr(export, "import_exporter", lambda target: copy_of_the_package)
    given = ["export", "--checkpoint", checkpoint, "--dataset", labelled, "--calibration", pictures]
    return [*given, "--sizes", "672x448,448x448", "--out", tmp_path / "out"]


def changed_copy(tmp_path: Path, **changes: object) -> Path:
    """A copy of the package's bundle whose manifest says something else."""
    folder = tmp_path / "copy"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    manifest = dataclasses.replace(open_bundle(folder).manifest, **changes)  # type: ignore[arg-type]
    (folder / MANIFEST).write_text(manifest.to_json())
    return folder


class TestExport:
    def test_the_table_is_printed_and_the_figures_are_kept(
        self, run_cli: Run, exported: list[object], tmp_path: Path, exact_int8: bool
    ) -> None:
        # Where products of 8 bits saturate, the package's own bundle does not pass the gate.
        status, printed, _ = run_cli(*exported, *([] if exact_int8 else ["--force"]))
        assert status == 0
        assert "672x448" in printed
        assert "chosen mask: IoU" in printed
        assert "encoder.weights" in printed
        manifest = open_bundle(tmp_path / "out").manifest
        assert manifest.sizes == ((448, 672), (448, 448))
        assert manifest.parity["engine"].startswith("onnxruntime")
        assert manifest.parity["reference"] == "torch fp32"
        assert manifest.parity["chosen_iou"] > (0.95 if exact_int8 else 0.9)
        assert manifest.parity["forced"] is not exact_int8

    def test_what_lost_too_much_is_not_written_unless_forced(
        self, run_cli: Run, exported: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sam_edge.exporters import gate

        # No rounded model is as good as this.
        monkeypatch.setitem(gate.THRESHOLDS, "int8", gate.EXACT)
        status, printed, said = run_cli(*exported)
        assert status == 2
        assert "chosen mask: IoU" in printed, "the table shows what was lost"
        assert "lost too much: cosine of the embedding" in said
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob(".out*"))
        status, printed, _ = run_cli(*exported, "--force")
        assert status == 0
        assert "forced past the gate: cosine" in printed
        assert open_bundle(tmp_path / "out").manifest.parity["forced"] is True
        _, printed, _ = run_cli("verify", tmp_path / "out")
        assert "(forced past the gate)" in printed

    @pytest.mark.parametrize(
        ("sizes", "named"),
        [
            ("450x448", "--sizes: 450x448"),
            ("448", "--sizes: '448'"),
            ("672x448,", "--sizes: ''"),
            ("448x448,32x448", "--sizes: 32x448"),
        ],
    )
    def test_sizes_that_no_encoder_takes(
        self, run_cli: Run, exported: list[object], sizes: str, named: str, tmp_path: Path
    ) -> None:
        status, _, said = run_cli(*exported, "--sizes", sizes)
        assert (status, (tmp_path / "out").exists()) == (2, False)
        assert named in said

    def test_int8_needs_pictures(self, run_cli: Run, tmp_path: Path) -> None:
        checkpoint = tmp_path / "some.pt"
        checkpoint.write_bytes(b"not read before the pictures are there")
        status, _, said = run_cli("export", "--checkpoint", checkpoint, "--out", tmp_path / "out")
        assert status == 2
        assert "--calibration: int8 is calibrated on images" in said

    def test_a_missing_checkpoint_is_told_before_anything_else(self, run_cli: Run, tmp_path: Path) -> None:
        status, _, said = run_cli("export", "--checkpoint", tmp_path / "none.pt", "--out", tmp_path / "out")
        assert status == 2
        assert "--checkpoint:" in said
        assert "none.pt: no such file" in said

    @pytest.mark.parametrize("left", [0, 3])
    def test_too_few_pictures(self, run_cli: Run, exported: list[object], pictures: Path, left: int) -> None:
        for path in sorted(pictures.iterdir())[left:]:
            path.unlink()
        status, _, said = run_cli(*exported)
        assert status == 2
        assert f"holds {left} images; give at least 8" in said

    def test_a_picture_that_cannot_be_read_is_named(
        self, run_cli: Run, exported: list[object], pictures: Path
    ) -> None:
        (pictures / "5.png").write_bytes(b"not a picture")
        status, _, said = run_cli(*exported)
        assert status == 2
        assert "5.png" in said

    def test_a_checkpoint_with_other_keys(self, run_cli: Run, exported: list[object], tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        strange = tmp_path / "strange.pt"
        torch.save({"layer.weight": torch.zeros(3)}, strange)
        status, _, said = run_cli(*exported, "--checkpoint", strange)
        assert status == 2
        assert "strange.pt" in said
        status, _, said = run_cli(*exported, "--checkpoint", tmp_path / "nowhere.pt")
        assert status == 2
        assert "no such file" in said

    def test_a_labelled_set_that_is_not_there(
        self, run_cli: Run, exported: list[object], tmp_path: Path
    ) -> None:
        status, _, said = run_cli(*exported, "--dataset", tmp_path / "nowhere")
        assert status == 2
        assert "--dataset: no such folder" in said

    @pytest.mark.parametrize(
        ("target", "library", "extra"), [("openvino", "openvino", "openvino"), ("onnx", "onnx", "export")]
    )
    def test_a_tool_that_is_missing(
        self, target: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The package is imported anew inside; afterwards it shall be the one that all other tests have.
        monkeypatch.setattr(sam_edge, "exporters", importlib.import_module("sam_edge.exporters"))
        for name in [name for name in sys.modules if name.startswith("sam_edge.exporters")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'sam-edge\[{extra}\]'"):
            export.import_exporter(target)

    def test_an_import_of_our_own_that_fails_is_not_called_a_missing_tool(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(export.EXPORTERS, "onnx", "sam_edge.exporters.nowhere:export")
        with pytest.raises(ModuleNotFoundError, match="nowhere") as caught:
            export.import_exporter("onnx")
        assert not isinstance(caught.value, MissingExtraError)

    @pytest.mark.parametrize("target", sorted(export.EXPORTERS))
    def test_every_target_has_its_exporter(self, target: str) -> None:
        for library in ("torch", "onnx", "onnxscript", *(("openvino",) if target == "openvino" else ())):
            pytest.importorskip(library)
        assert callable(export.import_exporter(target))


class TestVerify:
    def test_without_a_reference_the_hashes_are_checked(self, run_cli: Run) -> None:
        status, printed, _ = run_cli("verify")
        assert status == 0
        assert "files whole" in printed
        assert "--checkpoint FILE or --reference BUNDLE" in printed
        status, printed, _ = run_cli("verify", DEFAULT_BUNDLE, "--json")
        assert (status, json.loads(printed)["whole"]) == (0, True)

    def test_beside_an_fp32_bundle_on_pictures_without_labels(
        self, run_cli: Run, tmp_path: Path, pictures: Path
    ) -> None:
        # Called fp32, so that it may be a reference; the bundle then agrees with itself, on one engine.
        reference = changed_copy(tmp_path, precision="fp32")
        given: list[object] = ["verify", DEFAULT_BUNDLE, "--reference", reference]
        given += ["--images", pictures, "--limit", 2]
        with sam_edge.load(reference) as opened:
            given += ["--runtime", opened.runtime.name]
        status, printed, _ = run_cli(*given, "--size", "224x224", "--json")
        content = json.loads(printed)
        assert status == 0
        assert (content["pictures"], content["prompts"], content["size"]) == (2, 32, [224, 224])
        assert content["chosen_iou"] > 0.95
        assert "truth_iou" not in content
        assert content["missed"] == []
        status, printed, _ = run_cli(*given, "--size", "224x224")
        assert status == 0
        assert "good enough for int8" in printed

    def test_beside_the_checkpoint_on_labels(self, run_cli: Run, checkpoint: Path, labelled: Path) -> None:
        pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
        given = ["verify", "--checkpoint", checkpoint, "--dataset", labelled, "--size", "672x448"]
        status, printed, _ = run_cli(*given, "--json")
        content = json.loads(printed)
        assert (status, content["reference"], content["prompts"]) == (0, "torch fp32", 4)
        assert content["truth_iou"] > 0.5

    def test_what_lost_too_much_has_status_1(self, run_cli: Run, tmp_path: Path, pictures: Path) -> None:
        reference = changed_copy(tmp_path, precision="fp32")
        given = ["verify", "--reference", reference, "--images", pictures, "--limit", 1]
        status, printed, _ = run_cli(*given, "--size", "224x224", "--runtime", "fake")
        assert status == 1
        assert "lost too much: cosine of the embedding" in printed

    def test_a_reference_must_be_one(self, run_cli: Run, tmp_path: Path) -> None:
        status, _, said = run_cli("verify", "--reference", DEFAULT_BUNDLE)
        assert (status, "is int8; accepted: an fp32 bundle" in said) == (2, True)
        other = changed_copy(tmp_path, precision="fp32", checkpoint_sha256="0" * 64)
        status, _, said = run_cli("verify", "--reference", other)
        assert (status, "another checkpoint" in said) == (2, True)
        (tmp_path / "other.pt").write_bytes(b"other")
        status, _, said = run_cli("verify", "--checkpoint", tmp_path / "other.pt")
        assert (status, "not the checkpoint that the bundle was made from" in said) == (2, True)
        status, _, said = run_cli("verify", "--checkpoint", tmp_path / "nowhere.pt")
        assert (status, "no such file" in said) == (2, True)

    def test_pictures_without_a_reference_are_no_use(
        self, run_cli: Run, pictures: Path, tmp_path: Path
    ) -> None:
        status, _, said = run_cli("verify", "--images", pictures)
        assert (status, "--checkpoint or --reference" in said) == (2, True)
        reference = changed_copy(tmp_path, precision="fp32")
        status, _, said = run_cli("verify", "--reference", reference, "--limit", 0)
        assert (status, "--limit: 0" in said) == (2, True)

    def test_a_damaged_bundle_and_one_of_a_newer_schema(self, run_cli: Run, tmp_path: Path) -> None:
        folder = changed_copy(tmp_path, schema=SCHEMA + 1)
        status, _, said = run_cli("verify", folder)
        assert (status, f"schema {SCHEMA + 1}" in said, "pip install -U sam-edge" in said) == (2, True, True)
        shutil.copy(DEFAULT_BUNDLE / MANIFEST, folder)
        weights = folder / "decoder.weights"
        content = bytearray(weights.read_bytes())
        content[1000] ^= 1
        weights.write_bytes(content)
        status, _, said = run_cli("verify", folder)
        assert (status, "differs from its manifest's sha256" in said) == (2, True)
