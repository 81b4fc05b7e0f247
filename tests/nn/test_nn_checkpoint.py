"""Reading checkpoints: what is missing, extra, misshapen, malicious or cut off is named, and nothing is executed."""

from __future__ import annotations

import pickle
import random
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sam_edge.errors import CheckpointError, InputError, SamEdgeError

if TYPE_CHECKING:
    from sam_edge.nn import Sam

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")

SCORE_BIAS = "mask_decoder.iou_prediction_head.layers.2.bias"
NORM = "image_encoder.patch_embed.seq.0.bn.running_mean"
QKV = "image_encoder.layers.1.blocks.0.attn.qkv.weight"


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """Weights of a model that nobody trained, under the official names."""
    from sam_edge.nn import mobile_sam

    torch.manual_seed(7)
    return {name: torch.rand_like(value.float()) for name, value in mobile_sam().state_dict().items()}


def saved(state: Mapping[str, Any], folder: Path, name: str = "model.pt") -> Path:
    """Write a checkpoint in torch's own format, or in safetensors'."""
    path = folder / name
    if path.suffix == ".safetensors":
        library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
        library.save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(dict(state), path)
    return path


def load(path: Path) -> Sam:
    """Load as users do."""
    from sam_edge.nn import load_mobile_sam

    return load_mobile_sam(path)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.safetensors"])
def test_what_is_saved_comes_back(state: dict[str, Any], tmp_path: Path, name: str) -> None:
    model = load(saved(state, tmp_path, name))
    assert not model.training
    loaded = model.state_dict()
    for key, value in state.items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(loaded[key], value), key


def test_the_official_file_has_the_same_keys_and_its_classifier_is_left_out(
    checkpoint: Path, torch_model: Sam
) -> None:
    from sam_edge.nn import read_state

    official = read_state(checkpoint)
    mine = torch_model.state_dict()
    assert {key for key in official if key not in mine} == {
        f"image_encoder.{layer}.{kind}" for layer in ("head", "norm_head") for kind in ("weight", "bias")
    }
    assert torch.equal(mine[QKV], official[QKV])


def test_an_older_checkpoint_without_batch_counters_loads(state: dict[str, Any], tmp_path: Path) -> None:
    kept = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(kept) < len(state)
    load(saved(kept, tmp_path))


def test_every_missing_extra_and_misshapen_key_is_named(state: dict[str, Any], tmp_path: Path) -> None:
    wrong = dict(state)
    del wrong[SCORE_BIAS], wrong[NORM]
    wrong |= {"surprise.weight": torch.zeros(2), "another.bias": torch.zeros(1), QKV: torch.zeros(3, 5)}
    path = saved(wrong, tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    said = str(caught.value)
    for part in (
        str(path),
        SCORE_BIAS,
        NORM,
        "surprise.weight",
        "another.bias",
        f"{QKV} (3, 5)",
        "(384, 128)",
    ):
        assert part in said
    missing, extra, misshapen = (said.index(word) for word in ("missing:", "extra:", "wrong shape:"))
    assert (
        missing < said.index(SCORE_BIAS) < extra < said.index("surprise.weight") < misshapen < said.index(QKV)
    )
    assert isinstance(caught.value, InputError)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing: .*extra: backbone\.weight"):
        load(saved({"backbone.weight": torch.zeros(1)}, tmp_path))


class Booby:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        """Leave `trace` when unpickled by a careless reader."""
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_code_in_a_checkpoint_is_refused_and_not_run(state: dict[str, Any], tmp_path: Path) -> None:
    trace = tmp_path / "was_here"
    path = saved({**state, "payload": Booby(trace)}, tmp_path)
    careless = torch.load(path, weights_only=False)
    assert trace.exists(), "the trap must work where it is not guarded against"
    assert careless
    trace.unlink()
    with pytest.raises(CheckpointError, match="cannot be read as tensors only"):
        load(path)
    assert not trace.exists()


def test_a_plain_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "was_here", tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"payload": Booby(trace)}, protocol=2))
    with pytest.raises(CheckpointError):
        load(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = saved({f"tensor{i}": torch.rand(40, 40) for i in range(6)}, tmp_path, name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize(
    "content", [b"\x00" * 200, b"not a model at all\n" * 20, b"PK\x03\x04" + b"\xff" * 60]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load(path)


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "legacy"])
def test_damage_anywhere_in_a_file_gives_a_checkpoint_error(tmp_path: Path, archive: bool) -> None:
    """Torch's reader raises a dozen kinds of errors on damaged files; users see one."""
    from sam_edge.nn import read_state

    path, generator = tmp_path / "model.pt", random.Random(5)
    whole = {f"tensor{i}": torch.rand(4, 4) for i in range(3)}
    torch.save(whole, path, _use_new_zipfile_serialization=archive)
    content = path.read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(8):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(bytes(damaged))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's own, about what it is about to refuse
            try:
                read_state(path)
            except CheckpointError:
                refused += 1
    assert refused > 50


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError):
        load(path)


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": 1}}, {"epoch": 3}, {1: 2.0}])
def test_a_checkpoint_that_is_no_dictionary_of_tensors_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="not a dictionary of tensors"):
        load(path)


@pytest.mark.parametrize("name", ["absent.pt", "absent.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SamEdgeError, match=f"no such file.*{name}"):
        load(tmp_path / name)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path)
