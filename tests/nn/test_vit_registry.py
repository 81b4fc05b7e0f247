"""The registry of models: what is in it, what a checkpoint is recognised as, and what happens when it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sam_edge.errors import CheckpointError, InputError

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")

from sam_edge.nn import MODELS, ORIGINS, Sam, load_model, recognise  # noqa: E402
from sam_edge.nn.vit import ViT, ViTConfig  # noqa: E402

pytestmark = pytest.mark.slow

NAMES = ("mobile_sam", "sam_vit_b", "sam_vit_l", "sam_vit_h")
SMALL = ViTConfig(width=32, depth=3, heads=2, global_blocks=(1,), canvas=8)


def meta_state(name: str) -> dict[str, Any]:
    """The tensors of a model without their values."""
    with torch.device("meta"):
        return dict(MODELS[name]().state_dict())


def small() -> Sam:
    """A model that somebody adds."""
    return Sam(ViT(SMALL), name="small").eval()


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a model to the registry."""
    monkeypatch.setitem(MODELS, "small", small)


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """A checkpoint of it."""
    torch.manual_seed(3)
    path = tmp_path / "small.pth"
    torch.save(small().state_dict(), path)
    return path


def test_the_family_is_there_and_every_model_has_an_origin() -> None:
    assert tuple(MODELS) == NAMES
    assert tuple(ORIGINS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_model_goes_by_its_name_in_the_registry(name: str) -> None:
    with torch.device("meta"):
        model = MODELS[name]()
    assert model.name == name
    assert not model.training


@pytest.mark.parametrize("name", NAMES)
def test_each_is_recognised_by_its_tensors(name: str) -> None:
    assert recognise(meta_state(name)) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_checkpoint_is_still_recognised(name: str) -> None:
    state = meta_state(name)
    encoder = [key for key in state if key.startswith("image_encoder.")]
    for key in encoder[::3]:
        del state[key]
    state[encoder[1]] = torch.zeros(1)
    assert recognise(state) == name


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("backbone.weight",),
        (
            "image_encoder.patch_embed.proj.weight",
            "image_encoder.pos_embed",
            "image_encoder.neck.0.weight",
            "x",
        ),
    ],
)
def test_what_is_no_known_model_is_refused_with_what_is_known(keys: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError) as caught:
        recognise({key: torch.zeros(2) for key in keys}, origin="mine.pt")
    said = str(caught.value)
    for part in ("mine.pt", f"{len(keys)} tensors", *NAMES, *sorted(keys)[:3]):
        assert part in said


def test_the_decoder_alone_tells_no_model() -> None:
    """The decoder is the same in the whole family."""
    state = {
        key: value for key, value in meta_state("sam_vit_b").items() if not key.startswith("image_encoder.")
    }
    assert len(state) > 100
    with pytest.raises(CheckpointError, match="no known model"):
        recognise(state)


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize("name", [None, "small"])
def test_an_added_model_is_recognised_and_loaded(name: str | None, small_file: Path) -> None:
    model = load_model(name, small_file)
    assert model.name == "small"
    assert not model.training
    saved = torch.load(small_file, weights_only=True)
    loaded = model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in saved.items())


@pytest.mark.usefixtures("added")
def test_what_is_missing_is_named_after_recognition(small_file: Path, tmp_path: Path) -> None:
    state = torch.load(small_file, weights_only=True)
    del state["image_encoder.blocks.0.attn.rel_pos_h"]
    broken = tmp_path / "broken.pth"
    torch.save(state, broken)
    with pytest.raises(CheckpointError, match=r"missing: image_encoder\.blocks\.0\.attn\.rel_pos_h$"):
        load_model(None, broken)


@pytest.mark.usefixtures("added")
def test_a_name_that_is_not_the_checkpoints_is_refused_with_the_right_one(small_file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"small\.pth holds small, not mobile_sam") as caught:
        load_model("mobile_sam", small_file)
    assert len(str(caught.value)) < 300


def test_an_unknown_name_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="model: 'vit_b' is not known; known: mobile_sam, sam_vit_b"
    ) as caught:
        load_model("vit_b", tmp_path / "absent.pt")
    assert not isinstance(caught.value, CheckpointError)


def test_an_unknown_checkpoint_is_refused(small_file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"small\.pth is of no known model; known: mobile_sam"):
        load_model(None, small_file)


def test_the_official_mobile_sam_is_recognised(checkpoint: Path) -> None:
    assert load_model(None, checkpoint).name == "mobile_sam"


@pytest.mark.usefixtures("added")
def test_a_checkpoint_of_any_model_opens_as_a_segmenter(small_file: Path) -> None:
    import numpy as np

    import sam_edge

    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    with sam_edge.load(small_file, runtime="torch", threads=1) as model:
        masks = model.decode(model.encode(image, size=(96, 112)), points=[[40, 30]], labels=[1])
    assert masks.best.shape == (100, 120)
