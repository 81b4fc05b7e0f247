"""What the exporters' tests share: the official model traced once, a whole fp32 bundle, and small labelled sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from sam_edge.nn import Sam


def remembered(trace: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let `trace` run once for each model; every caller gets a copy."""
    made: dict[int, tuple[Any, Any]] = {}

    def call(model: Any) -> Any:
        if id(model) not in made:
            made[id(model)] = (model, trace(model))
        copy = type(made[id(model)][1])()
        copy.CopyFrom(made[id(model)][1])
        return copy

    return call


@pytest.fixture(scope="session")
def traced_once() -> Iterator[None]:
    """Tracing takes half a minute, so that all exports of one model in a run share its traces."""
    pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
    pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'sam-edge[export]'")
    from sam_edge.exporters import onnx_graphs

    with pytest.MonkeyPatch.context() as patch:
        for name in ("trace_encoder", "trace_decoder", "trace_point_decoder"):
            patch.setattr(onnx_graphs, name, remembered(getattr(onnx_graphs, name)))
        yield


@pytest.fixture(scope="session")
def fp32_bundle(traced_once: None, torch_model: Sam, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official model exported in fp32."""
    from sam_edge.exporters.onnx_bundle import export_onnx

    out = tmp_path_factory.mktemp("export") / "fp32"
    export_onnx(torch_model, out, precision="fp32")
    return out


@pytest.fixture
def labelled_set(tmp_path: Path) -> Path:
    """Three pictures with two boxes each, of which one picture has labels too small and one has none."""
    folder = tmp_path / "labelled"
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    generator = np.random.default_rng(2)
    for name in ("a", "b", "c"):
        picture = generator.integers(0, 256, (200, 300, 3), np.uint8)
        assert cv2.imwrite(str(folder / "images" / f"{name}.png"), picture)
    boxes = [(0.1, 0.1, 0.4, 0.5), (0.5, 0.2, 0.9, 0.8)]
    lines = [f"0 {x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1}" for x0, y0, x1, y1 in boxes]
    (folder / "labels" / "a.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "labels" / "b.txt").write_text("0 0.1 0.1 0.12 0.1 0.12 0.12\n", encoding="utf-8")
    return folder
