"""What every engine must do alike, whatever it runs on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError
from sam_edge.runtimes import Runtime

pytestmark = pytest.mark.slow

Picture = Callable[..., NDArray[np.uint8]]
SIZE = (224, 448)
"""The input of most tests: pad-free, and quick."""


@dataclass(frozen=True)
class Prompt:
    """What a decoder takes beside the embedding."""

    points: NDArray[Any]
    """(P, N, 2)."""
    labels: NDArray[Any]
    """(P, N)."""
    mask: NDArray[Any]
    """(P, 1, 4h, 4w)."""
    has_mask: NDArray[Any]
    """(P,)."""

    def on(self, runtime: Runtime, embedding: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Decode."""
        return runtime.decode(embedding, self.points, self.labels, self.mask, self.has_mask)

    def only(self, index: int) -> Prompt:
        """One of the prompts alone."""
        part = slice(index, index + 1)
        return Prompt(self.points[part], self.labels[part], self.mask[part], self.has_mask[part])


def prompt(
    *points: list[tuple[float, float, int]],
    size: tuple[int, int] = SIZE,
    mask: NDArray[np.float32] | None = None,
) -> Prompt:
    """Prompts of points (x, y, label), all with `mask` or all without."""
    low = np.zeros((size[0] // 4, size[1] // 4), np.float32) if mask is None else mask
    count = len(points)
    return Prompt(
        points=np.array([[point[:2] for point in one] for one in points], np.float32).reshape(count, -1, 2),
        labels=np.array([[point[2] for point in one] for one in points], np.int32).reshape(count, -1),
        mask=np.repeat(low[None, None], count, axis=0),
        has_mask=np.full(count, mask is not None, np.float32),
    )


RABBIT = [(120.0, 150.0, 1), (0, 0, -1)]
BOX = [(80.0, 80.0, 2), (185.0, 196.0, 3)]
BLOCK = [(310.0, 108.0, 1), (0, 0, -1)]
PEBBLE = [(196.0, 132.0, 1), (0, 0, -1)]


@pytest.fixture(scope="module")
def embedding(runtime: Runtime, picture: Picture) -> NDArray[np.float32]:
    """The clip's frame."""
    return runtime.encode(picture(*SIZE))


@pytest.fixture(scope="module")
def real_embedding(real_runtime: Runtime, picture: Picture) -> NDArray[np.float32]:
    """The clip's frame, on an engine with a model."""
    return real_runtime.encode(picture(*SIZE))


class TestResults:
    def test_it_says_where_it_runs(self, runtime: Runtime) -> None:
        assert runtime.name in {"onnxruntime", "openvino", "torch", "fake"}
        assert runtime.device == "CPU"
        assert runtime.precision
        assert runtime.threads >= 1

    def test_shapes_and_types(self, runtime: Runtime, embedding: NDArray[np.float32]) -> None:
        assert embedding.shape == (1, 256, 14, 28)
        assert embedding.dtype == np.float32
        assert np.isfinite(embedding).all()
        logits, scores = prompt(RABBIT, BLOCK).on(runtime, embedding)
        assert logits.shape == (2, 4, 56, 112)
        assert scores.shape == (2, 4)
        assert logits.dtype == scores.dtype == np.float32
        assert np.isfinite(logits).all()
        assert np.isfinite(scores).all()

    def test_the_same_twice(self, runtime: Runtime, embedding: NDArray[np.float32], picture: Picture) -> None:
        np.testing.assert_array_equal(runtime.encode(picture(*SIZE)), embedding)
        first, second = (prompt(RABBIT).on(runtime, embedding) for _ in range(2))
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])

    def test_results_are_not_overwritten_by_the_next_call(self, runtime: Runtime, picture: Picture) -> None:
        first = runtime.encode(picture(*SIZE))
        kept = first.copy()
        runtime.encode(255 - picture(*SIZE))
        np.testing.assert_array_equal(first, kept)
        logits, _ = prompt(RABBIT).on(runtime, first)
        kept = logits.copy()
        prompt(BLOCK).on(runtime, first)
        np.testing.assert_array_equal(logits, kept)

    def test_what_goes_in_is_left_as_it_was(self, runtime: Runtime, picture: Picture) -> None:
        image = picture(*SIZE)
        embedding, asked = runtime.encode(image), prompt(RABBIT, mask=np.ones((56, 112), np.float32))
        before = [value.copy() for value in (image, embedding, asked.points, asked.labels, asked.mask)]
        asked.on(runtime, embedding)
        after = (image, embedding, asked.points, asked.labels, asked.mask)
        for old, new in zip(before, after, strict=True):
            np.testing.assert_array_equal(old, new)

    def test_arrays_that_are_not_contiguous(self, runtime: Runtime, picture: Picture) -> None:
        wide = np.repeat(picture(*SIZE), 2, axis=2)[:, :, ::2]
        assert not wide.flags.c_contiguous
        expected = runtime.encode(np.ascontiguousarray(wide))
        np.testing.assert_array_equal(runtime.encode(wide), expected)
        asked = prompt(RABBIT)
        spread = replace(asked, points=np.repeat(asked.points, 2, axis=1)[:, ::2])
        for got, wanted in zip(spread.on(runtime, expected), asked.on(runtime, expected), strict=True):
            np.testing.assert_array_equal(got, wanted)

    def test_a_batch_of_two_is_two_single_ones(self, runtime: Runtime, picture: Picture) -> None:
        first, second = picture(*SIZE), picture(*SIZE, flipped=True)
        together = runtime.encode(np.concatenate([first, second]))
        assert together.shape == (2, 256, 14, 28)
        for got, alone in zip(together, (first, second), strict=True):
            expected = runtime.encode(alone)[0]
            # Another batch is another compiled graph, and 8 bits round what differs in the last place to other steps.
            allowed = 0.05 if runtime.precision.startswith("int8") else 1e-4
            assert np.linalg.norm(got - expected) <= allowed * np.linalg.norm(expected)
            other = together[1] if alone is first else together[0]
            assert runtime.name == "fake" or np.linalg.norm(other - expected) > 0.2 * np.linalg.norm(expected)

    def test_several_prompts_at_once_are_single_calls(
        self, runtime: Runtime, embedding: NDArray[np.float32]
    ) -> None:
        every = prompt(RABBIT, BOX, BLOCK)
        logits, scores = every.on(runtime, embedding)
        for index in range(3):
            alone, score = every.only(index).on(runtime, embedding)
            np.testing.assert_allclose(logits[index], alone[0], atol=2e-3)
            np.testing.assert_allclose(scores[index], score[0], atol=1e-4)
        assert not np.allclose(logits[0], logits[2], atol=1)

    def test_prompts_of_different_lengths_follow_each_other(
        self, runtime: Runtime, embedding: NDArray[np.float32]
    ) -> None:
        for count in (1, 2, 7, 3, 1):
            asked = prompt([(120.0 + i, 150.0, 1) for i in range(count)] + [(0, 0, -1)])
            logits, _ = asked.on(runtime, embedding)
            assert logits[0, 0, 37, 30] > 0


class TestModels:
    """Engines with a model: what the prompt says matters, and in the same way everywhere."""

    def test_points_and_boxes_select_what_they_name(
        self, real_runtime: Runtime, real_embedding: NDArray[np.float32]
    ) -> None:
        logits, scores = prompt(PEBBLE, BLOCK).on(real_runtime, real_embedding)
        pebble, block = (logits[index, scores[index].argmax()] > 0 for index in (0, 1))
        assert pebble[33, 49]
        assert 8 < pebble.sum() < 80
        assert block[27, 77]
        assert 250 < block.sum() < 800

    def test_a_mask_prompt_changes_the_result(
        self, real_runtime: Runtime, real_embedding: NDArray[np.float32]
    ) -> None:
        plain, _ = prompt(RABBIT).on(real_runtime, real_embedding)
        mask = np.full((56, 112), -8, np.float32)
        mask[20:50, 20:48] = 8
        masked, _ = prompt(RABBIT, mask=mask).on(real_runtime, real_embedding)
        assert np.abs(plain - masked).max() > 0.5

    def test_a_mask_that_is_marked_absent_is_ignored(
        self, real_runtime: Runtime, real_embedding: NDArray[np.float32]
    ) -> None:
        plain, _ = prompt(RABBIT).on(real_runtime, real_embedding)
        absent = replace(
            prompt(RABBIT, mask=np.full((56, 112), 7, np.float32)), has_mask=np.zeros(1, np.float32)
        )
        np.testing.assert_allclose(absent.on(real_runtime, real_embedding)[0], plain, atol=1e-4)

    def test_prompts_with_and_without_a_mask_in_one_call(
        self, real_runtime: Runtime, real_embedding: NDArray[np.float32]
    ) -> None:
        """Whatever graph an engine has for prompts without masks, each prompt gets what it gets alone."""
        mask = np.full((56, 112), -8, np.float32)
        mask[24:33, 69:100] = 8
        mixed = replace(prompt(RABBIT, BLOCK, mask=mask), has_mask=np.array([0, 1], np.float32))
        logits, scores = mixed.on(real_runtime, real_embedding)
        for index, alone in enumerate((prompt(RABBIT), prompt(BLOCK, mask=mask))):
            expected, score = alone.on(real_runtime, real_embedding)
            np.testing.assert_allclose(logits[index], expected[0], atol=2e-3)
            np.testing.assert_allclose(scores[index], score[0], atol=1e-4)

    def test_a_mask_alone_needs_no_token(
        self, real_runtime: Runtime, real_embedding: NDArray[np.float32]
    ) -> None:
        mask = np.full((56, 112), -8, np.float32)
        mask[24:33, 69:100] = 8
        alone = prompt([], mask=mask)
        assert alone.points.shape == (1, 0, 2)
        logits, scores = alone.on(real_runtime, real_embedding)
        assert logits.shape == (1, 4, 56, 112)
        assert np.isfinite(scores).all()
        pointed, _ = prompt(BLOCK, mask=mask).on(real_runtime, real_embedding)
        assert np.abs(logits - pointed).max() > 0.1

    def test_different_pictures_have_different_embeddings(
        self, real_runtime: Runtime, real_embedding: NDArray[np.float32], picture: Picture
    ) -> None:
        other = real_runtime.encode(picture(*SIZE, flipped=True))
        cosine = (other * real_embedding).sum() / (np.linalg.norm(other) * np.linalg.norm(real_embedding))
        assert cosine < 0.9


def test_several_threads_at_once_get_the_serial_results(runtime: Runtime, picture: Picture) -> None:
    images = [np.roll(picture(*SIZE), 16 * shift, axis=2) for shift in range(4)]

    def work(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        embedding = runtime.encode(image)
        return embedding, *prompt(RABBIT, BLOCK).on(runtime, embedding)

    serial = [work(image) for image in images]
    with ThreadPoolExecutor(3) as pool:
        parallel = list(pool.map(work, images))
    for one, other in zip(serial, parallel, strict=True):
        for expected, got in zip(one, other, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-3)
    assert not np.allclose(serial[0][0], serial[2][0], atol=1e-3)


def test_several_threads_may_open_different_sizes_at_once(runtime: Runtime, picture: Picture) -> None:
    sizes = [(224, 224), (64, 96), (80, 80), (224, 224)]
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda size: runtime.encode(picture(*size)), sizes))
    assert [one.shape for one in made] == [(1, 256, h // 16, w // 16) for h, w in sizes]
    np.testing.assert_array_equal(made[0], made[-1])


class TestBadInput:
    @pytest.mark.parametrize(
        "image",
        [
            np.zeros((64, 64, 3), np.uint8),
            np.zeros((1, 64, 64), np.uint8),
            np.zeros((1, 64, 64, 4), np.uint8),
            np.zeros((1, 3, 64, 64), np.uint8),
            np.zeros((0, 64, 64, 3), np.uint8),
            np.zeros((1, 64, 72, 3), np.uint8),
            np.zeros((1, 48, 64, 3), np.uint8),
            np.zeros((1, 64, 64, 3), np.float32),
            np.zeros((1, 64, 64, 3), np.int8),
            [[[[0, 0, 0]]]],
            None,
        ],
        ids=lambda image: f"{getattr(image, 'dtype', type(image).__name__)}{getattr(image, 'shape', '')}",
    )
    def test_what_is_no_image_is_refused(self, runtime: Runtime, image: Any) -> None:
        with pytest.raises(InputError, match=r"image: (shape|type) .*accepted: "):
            runtime.encode(image)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("points", np.zeros((1, 2), np.float32)),
            ("points", np.zeros((0, 2, 2), np.float32)),
            ("points", np.zeros((1, 2, 3), np.float32)),
            ("points", np.zeros((1, 2, 2), np.float64)),
            ("labels", np.zeros((1, 3), np.int32)),
            ("labels", np.zeros((2, 2), np.int32)),
            ("labels", np.zeros(2, np.int32)),
            ("labels", np.zeros((1, 2), np.int64)),
            ("mask", np.zeros((1, 56, 112), np.float32)),
            ("mask", np.zeros((1, 1, 112, 56), np.float32)),
            ("mask", np.zeros((2, 1, 56, 112), np.float32)),
            ("mask", np.zeros((1, 1, 56, 112), bool)),
            ("has_mask", np.zeros((1, 1), np.float32)),
            ("has_mask", np.zeros(2, np.float32)),
            ("has_mask", np.zeros(1, bool)),
        ],
        ids=lambda value: value if isinstance(value, str) else f"{value.dtype}{value.shape}",
    )
    def test_prompts_that_do_not_fit_are_refused(
        self, runtime: Runtime, embedding: NDArray[np.float32], name: str, value: NDArray[Any]
    ) -> None:
        with pytest.raises(InputError, match=r"(points|labels|mask|has_mask): (shape|type) .*accepted: "):
            replace(prompt(RABBIT), **{name: value}).on(runtime, embedding)

    @pytest.mark.parametrize(
        "wrong",
        [
            np.zeros((1, 128, 14, 28), np.float32),
            np.zeros((2, 256, 14, 28), np.float32),
            np.zeros((256, 14, 28), np.float32),
            np.zeros((1, 256, 14, 28), np.float64),
        ],
        ids=lambda value: f"{value.dtype}{value.shape}",
    )
    def test_an_embedding_that_is_none_is_refused(self, runtime: Runtime, wrong: Any) -> None:
        with pytest.raises(InputError, match=r"embedding: (shape|type) .*accepted: "):
            prompt(RABBIT).on(runtime, wrong)

    def test_an_engine_goes_on_after_a_refusal(
        self, runtime: Runtime, embedding: NDArray[np.float32]
    ) -> None:
        before, _ = prompt(RABBIT).on(runtime, embedding)
        with pytest.raises(InputError):
            runtime.encode(np.zeros((1, 64, 72, 3), np.uint8))
        np.testing.assert_array_equal(prompt(RABBIT).on(runtime, embedding)[0], before)


@pytest.mark.parametrize(
    "name", ["onnxruntime", "openvino", pytest.param("torch", marks=pytest.mark.weights), "fake"]
)
def test_after_close_every_call_says_so(
    name: str, open_engine: Callable[..., Runtime], picture: Picture
) -> None:
    with open_engine(name) as opened:
        embedding = opened.encode(picture(64, 64))
    opened.close()
    with pytest.raises(EngineError, match=f"{name}: the model is closed"):
        opened.encode(picture(64, 64))
    with pytest.raises(EngineError, match=f"{name}: the model is closed"):
        prompt(RABBIT, size=(64, 64)).on(opened, embedding)


CYCLES = """
import gc, sys
from pathlib import Path
import numpy as np
import sam_edge

engine, path = sys.argv[1], sys.argv[2] or None
image = np.zeros((1, 224, 224, 3), np.uint8)
given = (np.zeros((1, 1, 2), np.float32), np.ones((1, 1), np.int32), np.zeros((1, 1, 56, 56), np.float32),
         np.zeros(1, np.float32))
for _ in range(8):
    with sam_edge.load(path, runtime=engine, threads=1).runtime as runtime:
        runtime.decode(runtime.encode(image), *given)
    del runtime
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(pages * 4096)
"""


GIVES_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize(
    "name", ["onnxruntime", "openvino", pytest.param("torch", marks=pytest.mark.weights)]
)
def test_opening_and_closing_many_times_keeps_no_memory(
    name: str, open_engine: Callable[..., Runtime], request: pytest.FixtureRequest
) -> None:
    """In a process of its own. The weights are 10 MB or more, so six of them kept would show.

    The C library gives back what is freed at once there: what it holds in reserve depends on how threads took turns.
    """
    open_engine(name).close()
    path = str(request.getfixturevalue("checkpoint")) if name == "torch" else ""
    done = subprocess.run(
        [sys.executable, "-c", CYCLES, name, path],
        capture_output=True, text=True, check=False, env={**os.environ, **GIVES_BACK},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    used = [int(line) / 1e6 for line in done.stdout.split()]
    assert len(used) == 8
    assert min(used[-3:]) - min(used[1:4]) < 25
