"""Parity of the torch model with references that nobody here wrote, on the official weights at 1024.

Upstream's own code gives the embedding and all four masks and scores; the published ONNX decoder gives the one mask and
score that it chooses in its graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from sam_edge.geometry import Placement, View

if TYPE_CHECKING:
    from sam_edge.nn import Sam

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")

pytestmark = pytest.mark.slow

Float = NDArray[np.float32]
SIDE = 1024
TOLERANCE = 1e-3
"""Largest difference of an embedding value, a logit or a score."""


@dataclass(frozen=True)
class Prompt:
    """One prompt in the 1024 input, as upstream takes it."""

    points: tuple[tuple[float, float], ...] = ()
    """x, y."""
    labels: tuple[int, ...] = ()
    """1 on the object, 0 not."""
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1."""
    masked: bool = False
    """Whether a mask prompt is given: a soft disc of logits."""

    @property
    def mask(self) -> Float:
        """The mask prompt (1, 1, 256, 256): logits that fall from 8 in the middle of a disc."""
        y, x = np.mgrid[:256, :256].astype(np.float32)
        disc = 8.0 - np.hypot(x - 100, y - 80) / 5
        return np.asarray(disc, np.float32)[None, None]


PROMPTS = {
    "one point": Prompt(points=((400, 300),), labels=(1,)),
    "several points": Prompt(points=((400, 300), (500.5, 350), (10, 10)), labels=(1, 1, 0)),
    "box": Prompt(box=(100, 100, 700, 600)),
    "box with points": Prompt(points=((400, 300), (120, 130)), labels=(1, 0), box=(100, 100, 700, 600)),
    "point with mask": Prompt(points=((400, 300),), labels=(1,), masked=True),
    "box with mask": Prompt(box=(200, 150, 600, 500), masked=True),
    "mask only": Prompt(masked=True),
}


@dataclass(frozen=True)
class Encoded:
    """What both encoders make of one picture."""

    ours: Any
    """(1, 256, 64, 64)."""
    theirs: Any
    """The same from upstream's code."""
    masks: dict[str, tuple[Float, Float]]
    """Our logits (4, 256, 256) and scores (4,) of every prompt on our embedding."""


@pytest.fixture(scope="module", params=range(3), ids=["first", "second", "third"])
def encoded(
    request: pytest.FixtureRequest,
    photographs: dict[str, NDArray[np.uint8]],
    torch_model: Sam,
    upstream: Any,
) -> Encoded:
    """One photograph through both encoders, each with its own normalisation."""
    picture = list(photographs.values())[request.param]
    canvas = Placement(View.whole((picture.shape[0], picture.shape[1])), (SIDE, SIDE)).render(picture)
    tensor = torch.from_numpy(canvas)[None]
    with torch.inference_mode():
        theirs = upstream.image_encoder(upstream.preprocess(tensor.permute(0, 3, 1, 2).float()))
        ours = torch_model.encode(tensor)
    return Encoded(ours, theirs, {name: ours_of(torch_model, ours, each) for name, each in PROMPTS.items()})


def theirs_of(upstream: Any, embedding: Any, prompt: Prompt) -> tuple[Float, Float]:
    """Upstream's logits (4, 256, 256) and scores (4,)."""
    points = (torch.tensor([prompt.points]), torch.tensor([prompt.labels])) if prompt.points else None
    with torch.inference_mode():
        sparse, dense = upstream.prompt_encoder(
            points=points,
            boxes=torch.tensor([prompt.box]) if prompt.box else None,
            masks=torch.from_numpy(prompt.mask) if prompt.masked else None,
        )
        logits, scores = upstream.mask_decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=upstream.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
    return logits[0].numpy(), scores[0].numpy()


def tokens_of(prompt: Prompt) -> tuple[Float, NDArray[np.int32]]:
    """Points (1, N, 2) and labels (1, N) as our decoder takes them: corners for a box, else padding after points."""
    places, kinds = list(prompt.points), list(prompt.labels)
    if prompt.box:
        places += [prompt.box[:2], prompt.box[2:]]
        kinds += [2, 3]
    elif places:
        places += [(0, 0)]
        kinds += [-1]
    return np.array(places, np.float32).reshape(1, -1, 2), np.array(kinds, np.int32).reshape(1, -1)


def ours_of(model: Sam, embedding: Any, prompt: Prompt) -> tuple[Float, Float]:
    """Our logits (4, 256, 256) and scores (4,)."""
    points, labels = tokens_of(prompt)
    with torch.inference_mode():
        logits, scores = model.decode(
            embedding,
            torch.from_numpy(points),
            torch.from_numpy(labels),
            torch.from_numpy(prompt.mask) if prompt.masked else torch.zeros(1, 1, 256, 256),
            torch.tensor([float(prompt.masked)]),
        )
    return logits[0].numpy(), scores[0].numpy()


def test_the_embedding_is_upstreams(encoded: Encoded) -> None:
    assert encoded.ours.shape == (1, 256, 64, 64)
    assert encoded.theirs.std() > 0.05
    torch.testing.assert_close(encoded.ours, encoded.theirs, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", PROMPTS)
def test_all_four_masks_and_scores_are_upstreams(encoded: Encoded, upstream: Any, name: str) -> None:
    """From picture to logits: each side decodes the embedding that it made itself."""
    expected_logits, expected_scores = theirs_of(upstream, encoded.theirs, PROMPTS[name])
    logits, scores = encoded.masks[name]
    assert logits.shape == (4, 256, 256)
    np.testing.assert_allclose(logits, expected_logits, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(scores, expected_scores, atol=TOLERANCE, rtol=0)


def test_the_prompts_mean_different_masks(encoded: Encoded) -> None:
    """Were a part of a prompt ignored on both sides, parity alone would not show it."""
    made = [logits for logits, _ in encoded.masks.values()]
    gaps = [np.abs(a - b).max() for i, a in enumerate(made) for b in made[:i]]
    assert min(gaps) > 0.5


@pytest.fixture(scope="module")
def published(published_decoder: Path) -> onnxruntime.InferenceSession:
    """The published decoder on ONNX Runtime."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(published_decoder), settings, providers=["CPUExecutionProvider"])


def chosen_in_graph(scores: Float, tokens: int) -> int:
    """The mask that the standard export keeps: of the three for up to two prompt tokens, else the single one."""
    return int(scores[1:].argmax()) + 1 if tokens < 3 else 0


PUBLISHED_PROMPTS = (
    "one point",
    "several points",
    "box",
    "box with points",
    "point with mask",
    "box with mask",
)
"""The published graph refuses a prompt without any token, so `mask only` has no counterpart in it."""


@pytest.mark.parametrize("name", PUBLISHED_PROMPTS)
def test_the_published_decoder_returns_the_same_mask_and_score(
    encoded: Encoded, published: onnxruntime.InferenceSession, name: str
) -> None:
    prompt = PROMPTS[name]
    points, labels = tokens_of(prompt)
    full, score, low = published.run(
        ["masks", "iou_predictions", "low_res_masks"],
        {
            "image_embeddings": encoded.ours.numpy(),
            "point_coords": points,
            "point_labels": labels.astype(np.float32),
            "mask_input": prompt.mask if prompt.masked else np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.array([prompt.masked], np.float32),
            "orig_im_size": np.array([SIDE, SIDE], np.float32),
        },
    )
    logits, scores = encoded.masks[name]
    kept = chosen_in_graph(scores, points.shape[1])
    np.testing.assert_allclose(logits[kept], low[0, 0], atol=TOLERANCE, rtol=0)
    assert scores[kept] == pytest.approx(score[0, 0], abs=TOLERANCE)
    pasted = Placement(View(0, 0, SIDE, SIDE), (SIDE, SIDE)).paste(logits[kept], (SIDE, SIDE))
    differs = (pasted > 0) != (full[0, 0] > 0)
    # Where a logit crosses zero between two pixels, the two ways of scaling up may round apart.
    assert np.abs(full[0, 0][differs]).max(initial=0) < 0.05
    assert differs.mean() < 1e-4
