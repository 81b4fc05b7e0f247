"""ViT encoders as bundles of ONNX graphs: any size from one graph, and the model's name in the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_edge
from sam_edge.bundle import Bundle, open_bundle
from sam_edge.cli.main import main
from sam_edge.errors import ExportError

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'sam-edge[export]'")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from sam_edge.exporters import onnx_bundle  # noqa: E402
from sam_edge.nn import MODELS, Sam  # noqa: E402
from sam_edge.nn.vit import VIT_B, ViT  # noqa: E402

TOLERANCE = 1e-4
"""Norm of the difference of two embeddings over the norm of torch's."""
SHORT_VIT_B = replace(VIT_B, depth=2, global_blocks=(1,))
"""One block of each kind, in full width: every operation of ViT-B."""


def short_vit_b() -> Sam:
    """A model that somebody adds: random weights; the positions, which start at zero, are made random too."""
    torch.manual_seed(5)
    model = Sam(ViT(SHORT_VIT_B), name="short").eval()
    for key, parameter in model.named_parameters():
        if "pos" in key:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


@dataclass(frozen=True)
class Exported:
    """A bundle and what it was made from."""

    model: Sam
    """The model in torch."""
    checkpoint: Path
    """Its weights."""
    bundle: Bundle
    """What `sam-edge export` made of them in fp32, with the model recognised."""

    def encoder(self, *, padded: bool) -> Path:
        """The graph for any multiple of 16, or the one for multiples of 224."""
        without, with_padding = self.bundle.manifest.graphs_of("encoder")
        assert (without.multiple_of, with_padding.multiple_of) == (224, 16)
        return self.bundle.path_of(with_padding if padded else without)


@pytest.fixture(scope="module")
def added() -> Iterator[None]:
    """Add a model to the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "short", short_vit_b)
        yield


@pytest.fixture(scope="module")
def exported(added: None, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Export once for all tests."""
    folder, model = tmp_path_factory.mktemp("short"), short_vit_b()
    checkpoint, out = folder / "short.pth", folder / "bundle"
    torch.save(model.state_dict(), checkpoint)
    assert main(["export", "--checkpoint", str(checkpoint), "--precision", "fp32", "--out", str(out)]) == 0
    return Exported(model=model, checkpoint=checkpoint, bundle=open_bundle(out))


def relative_error(graph: Path, model: Sam, shape: tuple[int, int, int]) -> float:
    """Run both on the same random pictures (batch, height, width) and compare."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    (ours,) = session.run(None, {"image": images})
    with torch.inference_mode():
        expected = model.encode(torch.from_numpy(images)).numpy()
    assert ours.shape == expected.shape == (shape[0], 256, shape[1] // 16, shape[2] // 16)
    return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("shape", [(1, 512, 512), (2, 320, 240), (1, 224, 448), (1, 64, 1088)])
def test_one_graph_serves_every_size(exported: Exported, shape: tuple[int, int, int]) -> None:
    assert relative_error(exported.encoder(padded=True), exported.model, shape) < TOLERANCE


@pytest.mark.parametrize("shape", [(1, 224, 448), (2, 448, 224)])
def test_without_padding_the_positions_stay(exported: Exported, shape: tuple[int, int, int]) -> None:
    """Multiples of 224 need no padding; taking it out must not take the cutting of the positions with it."""
    kinds = [
        {
            node.op_type
            for node in onnx.load(exported.encoder(padded=padded), load_external_data=False).graph.node
        }
        for padded in (True, False)
    ]
    assert kinds[0] - kinds[1] >= {"Pad", "Slice"}
    assert relative_error(exported.encoder(padded=False), exported.model, shape) < TOLERANCE


def test_a_bundle_bears_the_name_of_its_model(exported: Exported) -> None:
    manifest = exported.bundle.manifest
    assert (manifest.name, manifest.model, manifest.licence) == ("short-fp32", "short", "unknown")


def test_the_bundle_and_its_checkpoint_give_the_same_masks(exported: Exported) -> None:
    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    logits: list[Any] = []
    for path, runtime in ((exported.bundle.folder, "onnxruntime"), (exported.checkpoint, "torch")):
        with sam_edge.load(path, runtime=runtime, threads=2) as model:
            masks = model.segment(image, points=[[40, 30]], labels=[1], size=(192, 256))
        logits.append(masks.logits[np.argsort(masks.token)])
    assert np.linalg.norm(logits[0] - logits[1]) < 1e-3 * np.linalg.norm(logits[1])


class Reached(Exception):
    """An export would have begun."""


@pytest.mark.parametrize("more", [(), ("--model", "short")], ids=["recognised", "named"])
def test_the_command_exports_the_model_asked_for(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    def caught(model: Sam, *given: object, **options: object) -> None:
        raise Reached(model.name)

    monkeypatch.setattr(onnx_bundle, "export_onnx", caught)
    with pytest.raises(Reached, match=r"^short$"):
        main(["export", "--checkpoint", str(exported.checkpoint), "--precision", "fp32", "--out", "x", *more])


@pytest.mark.parametrize(
    ("name", "says"),
    [("mobile_sam", ["holds short, not mobile_sam"]), ("sam2", ["'sam2'", "known:", *MODELS])],
)
def test_a_wrong_name_exports_nothing(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, says: list[str]
) -> None:
    out = tmp_path / "bundle"
    given = ["--checkpoint", str(exported.checkpoint), "--precision", "fp32", "--out", str(out)]
    assert main(["export", "--model", name, *given]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in says)
    assert not out.exists()


def test_an_encoder_too_large_for_one_message_is_refused_before_any_work(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = MODELS["sam_vit_h"]()
    with pytest.raises(ExportError, match=r"model: sam_vit_h's encoder has 2\.55 GB of fp32 weights"):
        onnx_bundle.export_onnx(model, tmp_path / "absent.pth", tmp_path / "out", precision="fp32")
    assert list(tmp_path.iterdir()) == []
