"""SAM's ViT encoders beside upstream's own code (the package `segment-anything`), on random weights.

Upstream takes inputs of 1024 alone. At other sizes its code is given what our encoder should pick: the positional
embedding and the tables of distances cut by hand, one for every axis, so that it computes the corner of the canvas.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")

from sam_edge.nn import MODELS  # noqa: E402
from sam_edge.nn.vit import VIT_B, ViT, ViTConfig, relative_positions  # noqa: E402

pytestmark = pytest.mark.slow

HOW_TO_INSTALL = "needs upstream's code: pip install --no-deps segment-anything==1.0"
TOLERANCE = 1e-3
"""Norm of the difference of two embeddings over the norm of upstream's."""
SMALL = ViTConfig(width=32, depth=3, heads=2, global_blocks=(1,), canvas=64)
"""Few channels; windows, canvas and patches as in the real ones."""
TINY_CANVAS = replace(SMALL, window=3, canvas=8)
"""Positions learned on 128 pixels, windows of 48."""


def without_torchvision() -> dict[str, types.ModuleType]:
    """Modules with the names that upstream imports from torchvision, none of which an encoder calls."""
    names: dict[str, tuple[str, ...]] = {
        "torchvision": (),
        "torchvision.ops": (),
        "torchvision.ops.boxes": ("batched_nms", "box_area"),
        "torchvision.transforms": (),
        "torchvision.transforms.functional": ("resize", "to_pil_image"),
    }
    made = {name: types.ModuleType(name) for name in names}
    for name, functions in names.items():
        vars(made[name]).update(dict.fromkeys(functions))
    return made


@pytest.fixture(scope="module")
def upstream() -> Iterator[Any]:
    """Upstream's package."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in without_torchvision().items():
            patch.setitem(sys.modules, name, module)
        pytest.importorskip("segment_anything", reason=HOW_TO_INSTALL)
        yield importlib.import_module("segment_anything")
    for name in [name for name in sys.modules if name.split(".")[0] == "segment_anything"]:
        del sys.modules[name]


def upstream_encoder(upstream: Any, config: ViTConfig) -> Any:
    """Build upstream's encoder with random weights; the positions, which start at zero, are made random too."""
    modeling = importlib.import_module("segment_anything.modeling")
    torch.manual_seed(11)
    made = modeling.ImageEncoderViT(
        img_size=config.canvas * config.patch,
        patch_size=config.patch,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.expansion,
        out_chans=config.outputs,
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
        use_rel_pos=True,
        window_size=config.window,
        global_attn_indexes=config.global_blocks,
    )
    return randomised(made.eval())


def randomised(encoder: Any) -> Any:
    """Give positions and normalisation random values large enough to matter."""
    for name, parameter in encoder.named_parameters():
        if "pos" in name:
            torch.nn.init.normal_(parameter, std=0.5)
        elif "norm" in name or name.startswith(("neck.1", "neck.3")):
            torch.nn.init.normal_(parameter, mean=1.0 if name.endswith("weight") else 0.0, std=0.2)
    return encoder


def with_weights_of(reference: Any, config: ViTConfig) -> ViT:
    """Build ours with the same weights, under the same names."""
    ours = ViT(config).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    return ours


def cut_to(reference: Any, config: ViTConfig, rows: int, columns: int) -> None:
    """Leave upstream's encoder the positions of the canvas's corner; past the canvas the last ones are repeated."""
    last = config.canvas - 1
    y, x = [min(i, last) for i in range(rows)], [min(i, last) for i in range(columns)]
    reference.pos_embed = torch.nn.Parameter(reference.pos_embed[:, y][:, :, x])
    for index in config.global_blocks:
        attention = reference.blocks[index].attn
        for name, size in (("rel_pos_h", rows), ("rel_pos_w", columns)):
            table = getattr(attention, name)
            picked = [max(-last, min(last, d)) + last for d in range(1 - size, size)]
            setattr(attention, name, torch.nn.Parameter(table[picked]))


def relative_error(ours: Any, theirs: Any) -> float:
    """Norm of the difference over the norm of the reference."""
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("letter", ["b", "l", "h"])
def test_names_and_shapes_are_those_of_the_official_checkpoints(upstream: Any, letter: str) -> None:
    with torch.device("meta"):
        theirs = upstream.sam_model_registry[f"vit_{letter}"]()
        ours = MODELS[f"sam_vit_{letter}"]()
    shapes = [
        {key: tuple(value.shape) for key, value in model.state_dict().items()} for model in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 300


@pytest.mark.parametrize("letter", ["b", "l", "h"])
def test_the_same_blocks_attend_to_the_whole_input(upstream: Any, letter: str) -> None:
    """Shapes alone would miss a block whose windows are off, and an epsilon that is not upstream's."""
    with torch.device("meta"):
        theirs = upstream.sam_model_registry[f"vit_{letter}"]().image_encoder
        ours: Any = MODELS[f"sam_vit_{letter}"]().image_encoder
    for mine, other in zip(ours.blocks, theirs.blocks, strict=True):
        assert mine.window == other.window_size
        assert mine.attn.heads == other.attn.num_heads
        assert (mine.norm1.eps, mine.norm2.eps) == (other.norm1.eps, other.norm2.eps)


def test_vit_b_gives_upstreams_embedding_at_1024(upstream: Any) -> None:
    reference = upstream_encoder(upstream, VIT_B)
    ours = with_weights_of(reference, VIT_B)
    image = torch.randn(1, 3, 1024, 1024)
    with torch.inference_mode():
        theirs, mine = reference(image), ours(image)
    assert mine.shape == (1, 256, 64, 64)
    assert relative_error(mine, theirs) < TOLERANCE


@pytest.mark.parametrize(("height", "width"), [(448, 672), (224, 224), (512, 512), (240, 320), (64, 1024)])
def test_a_smaller_input_is_the_corner_of_the_canvas(upstream: Any, height: int, width: int) -> None:
    reference = upstream_encoder(upstream, SMALL)
    ours = with_weights_of(reference, SMALL)
    cut_to(reference, SMALL, height // 16, width // 16)
    image = torch.randn(2, 3, height, width)
    with torch.inference_mode():
        theirs, mine = reference(image), ours(image)
    assert mine.shape == (2, 256, height // 16, width // 16)
    assert relative_error(mine, theirs) < TOLERANCE


@pytest.mark.parametrize(("height", "width"), [(128, 128), (160, 96), (96, 208), (240, 240)])
def test_past_the_canvas_the_last_positions_are_repeated(upstream: Any, height: int, width: int) -> None:
    reference = upstream_encoder(upstream, TINY_CANVAS)
    ours = with_weights_of(reference, TINY_CANVAS)
    cut_to(reference, TINY_CANVAS, height // 16, width // 16)
    image = torch.randn(1, 3, height, width)
    with torch.inference_mode():
        assert relative_error(ours(image), reference(image)) < TOLERANCE


def test_stretched_positions_would_be_noticed(upstream: Any) -> None:
    """Upstream left alone interpolates its tables at other sizes: a different embedding, far beyond the tolerance."""
    reference = upstream_encoder(upstream, SMALL)
    ours = with_weights_of(reference, SMALL)
    reference.pos_embed = torch.nn.Parameter(reference.pos_embed[:, :28, :28])
    image = torch.randn(1, 3, 448, 448)
    with torch.inference_mode():
        assert relative_error(ours(image), reference(image)) > 10 * TOLERANCE


def test_a_distance_means_the_same_at_every_size() -> None:
    table = torch.arange(127.0)[:, None]
    whole = relative_positions(table, 64)[..., 0]
    assert whole[0, 63] == 0
    assert whole[63, 0] == 126
    for size in (1, 5, 28, 64):
        part = relative_positions(table, size)[..., 0]
        assert torch.equal(part, whole[:size, :size])
        assert torch.all(part.diagonal() == 63)


def test_distances_past_the_table_count_as_its_longest() -> None:
    reached = relative_positions(torch.arange(5.0)[:, None], 4)[..., 0]
    assert reached.tolist() == [[2, 1, 0, 0], [3, 2, 1, 0], [4, 3, 2, 1], [4, 4, 3, 2]]
