"""The torch model at other sizes than 1024, and what exporters do to it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.geometry import Placement, View

if TYPE_CHECKING:
    from sam_edge.nn import Sam

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    """No test here needs gradients."""
    with torch.inference_mode():
        yield


def picture(image: NDArray[np.uint8], height: int, width: int) -> Any:
    """A real frame in an encoder input: uint8 (1, height, width, 3)."""
    whole = View.whole((image.shape[0], image.shape[1]))
    return torch.from_numpy(Placement(whole, (height, width)).render(image))[None]


def upstream_at(upstream: Any, height: int, width: int, x: Any) -> Any:
    """Upstream's encoder built for another size; its forward pass is here because 64x64 is written in it."""
    wide = type(upstream.image_encoder)(
        img_size=(height, width),
        embed_dims=[64, 128, 160, 320],
        num_heads=[2, 4, 5, 10],
        drop_path_rate=0.0,
    )
    wide.load_state_dict(upstream.image_encoder.state_dict())
    wide.eval()
    x = wide.patch_embed(x)
    for layer in wide.layers:
        x = layer(x)
    x = x.view(1, height // 16, width // 16, 320).permute(0, 3, 1, 2)
    return wide.neck(x)


@pytest.mark.parametrize(
    ("height", "width"), [(224, 224), (224, 448), (448, 224), (256, 320), (272, 80), (64, 64)]
)
def test_the_encoder_is_upstreams_at_other_sizes(
    torch_model: Sam, upstream: Any, clip_frame: NDArray[np.uint8], height: int, width: int
) -> None:
    image = picture(clip_frame, height, width)
    expected = upstream_at(upstream, height, width, torch_model.normalise(image))
    got = torch_model.encode(image)
    assert got.shape == (1, 256, height // 16, width // 16)
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("height", "width", "pads"), [(224, 448, False), (224, 240, True), (256, 224, True)])
def test_windows_are_padded_only_where_they_must(
    torch_model: Sam, monkeypatch: pytest.MonkeyPatch, height: int, width: int, pads: bool
) -> None:
    calls = []
    pad = torch.nn.functional.pad

    def counted(*args: Any) -> Any:
        calls.append(args[1])
        return pad(*args)

    monkeypatch.setattr(torch.nn.functional, "pad", counted)
    torch_model.encode(torch.zeros(1, height, width, 3, dtype=torch.uint8))
    assert bool(calls) is pads


def test_positions_are_absolute(torch_model: Sam, upstream: Any) -> None:
    """A small embedding has the positions of the top-left corner of SAM's 64x64 one."""
    whole = upstream.prompt_encoder.get_dense_pe()[0]
    for height, width in ((28, 42), (28, 28), (64, 64)):
        got = torch_model.prompt_encoder.dense_positions(height, width)
        expected = whole[:, :height, :width].flatten(1).T
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def decode(model: Sam, embedding: Any, points: Any, labels: Any, mask: Any = None) -> tuple[Any, Any]:
    """Decode prompts, all with or all without a mask."""
    count, (rows, columns) = len(points), embedding.shape[2:]
    given = torch.full((count,), float(mask is not None))
    mask = torch.zeros(count, 1, 4 * rows, 4 * columns) if mask is None else mask
    return model.decode(embedding, torch.as_tensor(points).float(), torch.as_tensor(labels), mask, given)


@pytest.fixture(scope="module")
def embedding(torch_model: Sam, clip_frame: NDArray[np.uint8]) -> Any:
    """The clip's first frame at 224x448."""
    with torch.inference_mode():
        return torch_model.encode(picture(clip_frame, 224, 448))


POINTS = [[[200.0, 110.0], [0, 0]], [[60.0, 60.0], [0, 0]], [[300.0, 180.0], [0, 0]]]
LABELS = [[1, -1]] * 3


def test_several_prompts_at_once_are_the_same_as_one_at_a_time(torch_model: Sam, embedding: Any) -> None:
    together = decode(torch_model, embedding, POINTS, LABELS)
    for index, (points, labels) in enumerate(zip(POINTS, LABELS, strict=True)):
        alone = decode(torch_model, embedding, [points], [labels])
        for many, one in zip(together, alone, strict=True):
            torch.testing.assert_close(many[index], one[0], atol=1e-3, rtol=0)


def test_a_batch_of_two_pictures_is_the_same_as_two_single_ones(
    torch_model: Sam, clip_frame: NDArray[np.uint8]
) -> None:
    first, second = picture(clip_frame, 224, 224), picture(clip_frame[::-1].copy(), 224, 224)
    together = torch_model.encode(torch.cat([first, second]))
    for got, alone in zip(together, (first, second), strict=True):
        torch.testing.assert_close(got, torch_model.encode(alone)[0], atol=1e-4, rtol=0)


def test_a_mask_that_is_marked_absent_is_ignored(torch_model: Sam, embedding: Any) -> None:
    points, labels = torch.tensor(POINTS[:1]), torch.tensor(LABELS[:1])
    noise = torch.randn(1, 1, 56, 112)
    without, _ = decode(torch_model, embedding, points, labels)
    absent, _ = torch_model.decode(embedding, points, labels, noise, torch.zeros(1))
    present, _ = torch_model.decode(embedding, points, labels, noise, torch.ones(1))
    assert torch.equal(without, absent)
    assert (present - without).abs().max() > 0.1


def test_leaving_the_mask_out_is_marking_it_absent(torch_model: Sam, embedding: Any) -> None:
    points, labels = torch.tensor(POINTS), torch.tensor(LABELS)
    absent = decode(torch_model, embedding, points, labels)
    for left_out, expected in zip(torch_model.decode(embedding, points, labels), absent, strict=True):
        torch.testing.assert_close(left_out, expected, atol=1e-3, rtol=0)


def test_a_padding_point_has_no_place(torch_model: Sam, embedding: Any) -> None:
    at_origin, _ = decode(torch_model, embedding, POINTS[:1], LABELS[:1])
    elsewhere, _ = decode(torch_model, embedding, [[POINTS[0][0], [77.0, 5.0]]], LABELS[:1])
    assert torch.equal(at_origin, elsewhere)


def test_folding_the_normalisation_changes_nothing(torch_model: Sam, clip_frame: NDArray[np.uint8]) -> None:
    from sam_edge.nn.layers import ConvNorm, fold_batch_norms

    folded = copy.deepcopy(torch_model)
    fold_batch_norms(folded)
    assert not any(isinstance(module, ConvNorm | torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, ConvNorm) for module in torch_model.modules())
    image = picture(clip_frame, 224, 224)
    torch.testing.assert_close(folded.encode(image), torch_model.encode(image), atol=2e-4, rtol=0)
