"""ViT encoders as ONNX graphs and bundles: any size from one graph, and the model's name in the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import sam_edge
from sam_edge.bundle import open_bundle
from sam_edge.cli.command_line import main
from sam_edge.errors import ExportError
from sam_edge.segmenter import DEFAULT_BUNDLE

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'sam-edge[export]'")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from sam_edge.exporters import onnx_bundle, onnx_graphs  # noqa: E402
from sam_edge.exporters.onnx_weights import remove_padding  # noqa: E402
from sam_edge.exporters.trace import trace_encoder  # noqa: E402
from sam_edge.nn import MODELS, Sam  # noqa: E402
from sam_edge.nn.vit import VIT_B, ViT  # noqa: E402

pytestmark = pytest.mark.slow

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
class Traced:
    """A model and its encoder's graph."""

    model: Sam
    """In torch."""
    checkpoint: Path
    """Its weights."""
    graph: onnx.ModelProto
    """For any multiple of 16."""


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Trace once for all tests, with the model in the registry."""
    model, checkpoint = short_vit_b(), tmp_path_factory.mktemp("short") / "short.pth"
    torch.save(model.state_dict(), checkpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "short", short_vit_b)
        yield Traced(model=model, checkpoint=checkpoint, graph=trace_encoder(model))


def pictures(shape: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Random pictures (batch, height, width)."""
    return np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)


def relative_error(graph: onnx.ModelProto, model: Sam, shape: tuple[int, int, int]) -> float:
    """Run both on the same pictures and compare."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (ours,) = session.run(None, {"image": pictures(shape)})
    with torch.inference_mode():
        expected = model.encode(torch.from_numpy(pictures(shape))).numpy()
    assert ours.shape == expected.shape == (shape[0], 256, shape[1] // 16, shape[2] // 16)
    return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("shape", [(1, 512, 512), (2, 320, 240), (1, 224, 448), (1, 64, 1088)])
def test_one_graph_serves_every_size(traced: Traced, shape: tuple[int, int, int]) -> None:
    assert relative_error(traced.graph, traced.model, shape) < TOLERANCE


@pytest.mark.parametrize("shape", [(1, 224, 448), (2, 448, 224)])
def test_without_padding_the_positions_stay(traced: Traced, shape: tuple[int, int, int]) -> None:
    """Multiples of 224 need no padding; taking it out must not take the cutting of the positions with it."""
    slim = remove_padding(traced.graph)
    before, after = ({node.op_type for node in graph.graph.node} for graph in (traced.graph, slim))
    assert before - after >= {"Pad", "Slice"}
    assert relative_error(slim, traced.model, shape) < TOLERANCE


def test_a_bundle_bears_the_name_of_its_model(
    traced: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder is the same in the whole family, and slow to trace: the package's own stands in for it."""
    decoder = onnx.load(DEFAULT_BUNDLE / "decoder.onnx")
    monkeypatch.setattr(onnx_graphs, "trace_encoder", lambda model: traced.graph)
    monkeypatch.setattr(onnx_graphs, "trace_decoder", lambda model: decoder)
    monkeypatch.setattr(onnx_graphs, "trace_point_decoder", lambda model: decoder)
    out = tmp_path / "bundle"
    made = onnx_bundle.export_onnx(traced.model, out, precision="fp32")
    manifest = open_bundle(out).manifest
    assert manifest == made
    assert (manifest.name, manifest.model, manifest.licence) == ("short-fp32", "short", "unknown")
    with sam_edge.load(out, runtime="onnxruntime", threads=2) as opened:
        for shape in ((1, 224, 224), (1, 160, 240)):
            with torch.inference_mode():
                expected = traced.model.encode(torch.from_numpy(pictures(shape))).numpy()
            difference = opened.runtime.encode(pictures(shape)) - expected
            assert np.linalg.norm(difference) < TOLERANCE * np.linalg.norm(expected)


class Reached(Exception):
    """An export would have begun."""


@pytest.mark.parametrize("more", [(), ("--arch", "short")], ids=["recognised", "named"])
def test_the_command_exports_the_model_asked_for(
    traced: Traced, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    def caught(model: Sam, *given: object, **options: object) -> None:
        raise Reached(model.name)

    monkeypatch.setattr(onnx_bundle, "export_onnx", caught)
    with pytest.raises(Reached, match=r"^short$"):
        main(["export", "--checkpoint", str(traced.checkpoint), "--precision", "fp32", "--out", "x", *more])


@pytest.mark.parametrize(
    ("name", "says"),
    [("mobile_sam", ["holds short, not mobile_sam"]), ("sam2", ["'sam2'", "known:", *MODELS])],
)
def test_a_wrong_name_exports_nothing(
    traced: Traced, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, says: list[str]
) -> None:
    out = tmp_path / "bundle"
    given = ["--checkpoint", str(traced.checkpoint), "--precision", "fp32", "--out", str(out)]
    assert main(["export", "--arch", name, *given]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in says)
    assert not out.exists()


def test_an_encoder_too_large_for_one_message_is_refused_before_any_work(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = MODELS["sam_vit_h"]()
    with pytest.raises(ExportError, match=r"model: sam_vit_h's encoder has 2\.55 GB of fp32 weights"):
        onnx_bundle.export_onnx(model, tmp_path / "out", precision="fp32")
    assert list(tmp_path.iterdir()) == []
