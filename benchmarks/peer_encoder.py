"""The peer's encoder: upstream's own MobileSAM code with the official weights at 1024x1024 in fp32, as ONNX.

    python benchmarks/peer_encoder.py [--models .cache/models]

Upstream's code and the checkpoint are those that `make models` brings; the file is written beside the checkpoint as
`peer_encoder_1024.onnx`. What upstream imports from timm and torchvision and does not run here is stood in for.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import types
from pathlib import Path
from typing import Any

from endings import end_without, run_script

try:
    import numpy as np
    import onnxruntime
    import torch
except ImportError as error:
    end_without(error)

MODELS = Path(__file__).resolve().parent.parent / ".cache" / "models"
NAME = "peer_encoder_1024.onnx"
LARGEST_DIFFERENCE = 1e-3


def stand_ins() -> dict[str, types.ModuleType]:
    """Make modules with the few names that upstream's code imports."""

    def nothing(*args: Any, **options: Any) -> None:
        raise NotImplementedError("a stand-in was called")

    names: dict[str, dict[str, Any]] = {
        "timm": {},
        "timm.models": {},
        "timm.models.layers": {
            "DropPath": torch.nn.Identity,
            "to_2tuple": lambda side: side if isinstance(side, tuple) else (side, side),
            "trunc_normal_": torch.nn.init.trunc_normal_,
        },
        "timm.models.registry": {"register_model": lambda function: function},
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": nothing, "box_area": nothing},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": nothing, "to_pil_image": nothing},
    }
    made = {}
    for name, content in names.items():
        made[name] = types.ModuleType(name)
        vars(made[name]).update(content)
    return made


def export(models: Path) -> Path:
    """Export the encoder into `models`, and compare it with torch.

    Raises:
        SystemExit: something is missing, or the file does not compute what torch does.
    """
    checkpoint, upstream = models / "mobile_sam.pt", models.parent / "upstream"
    for path in (checkpoint, upstream / "mobile_sam"):
        if not path.exists():
            raise SystemExit(f"{path} is missing; bring it with: make models")
    sys.modules.update(stand_ins())
    sys.path.insert(0, str(upstream))
    build = importlib.import_module("mobile_sam.build_sam")
    model = build.sam_model_registry["vit_t"](checkpoint=None)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    encoder = model.image_encoder.eval()
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    out, made = models / NAME, models / f".{NAME}"
    with torch.no_grad():
        expected = encoder(image).numpy()
        program = torch.onnx.export(
            encoder,
            (image,),
            input_names=["image"],
            output_names=["embedding"],
            opset_version=20,
            dynamo=True,
        )
        assert program is not None
        program.save(str(made), external_data=False)
    session = onnxruntime.InferenceSession(str(made), providers=["CPUExecutionProvider"])
    difference = float(np.abs(session.run(None, {"image": image.numpy()})[0] - expected).max())
    if not difference < LARGEST_DIFFERENCE:
        raise SystemExit(f"the exported encoder differs from torch by {difference:.1e}")
    made.replace(out)
    print(f"{out}: largest difference from torch {difference:.1e}")
    return out


def main() -> None:
    """Export to the folder that is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=MODELS)
    export(parser.parse_args().models)


if __name__ == "__main__":
    run_script(main)
