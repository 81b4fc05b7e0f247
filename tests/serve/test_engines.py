"""The engines that a server offers: opened once, a second time for several clients, errors that say why."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError
from sam_edge.runtimes.base import Runtime
from sam_edge.serve.models.engines import Engines, check_offered_size


def test_active_clients_share_a_second_instance_with_half_of_the_threads_once_it_is_warm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sam_edge.serve.models.fair_scheduler.ACTIVE_S", 1e9)
    with Engines(runtime="onnxruntime", threads=2) as engines:
        first, other = engines.segmenter(), engines.segmenter()
        picture = np.zeros((120, 160, 3), np.uint8)
        pool = engines.pool("onnxruntime")
        alone = first.encode(picture, size=(224, 224)).data
        assert pool.runtime_when_shared is pool.runtime, "nothing is warm yet"
        engines.warm_up(first, (120, 160))
        pool.wait_until_prepared(60)
        second = pool.runtime_when_shared
        assert (pool.runtime.threads, second.threads) == (2, 1)
        called: list[Runtime] = []
        watch(pool.runtime, called)
        watch(second, called)
        other.encode(picture, size=(224, 224))
        shared = first.encode(picture, size=(224, 224)).data
        assert called == [pool.runtime, second], "while one client is active, it has all threads"
        np.testing.assert_allclose(shared, alone, atol=1e-3)


def test_a_server_for_one_client_opens_the_engine_once() -> None:
    with Engines(runtime="onnxruntime", threads=2, multi_client=False) as engines:
        engines.warm_up(engines.segmenter(), (120, 160))
        pool = engines.pool("onnxruntime")
        pool.wait_until_prepared(60)
        assert pool.runtime_when_shared is pool.runtime


def test_if_the_second_instance_cannot_be_opened_the_error_is_logged_and_all_share_the_first(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Runtime:
        raise EngineError("no memory")

    with Engines(runtime="onnxruntime", threads=2) as engines:
        monkeypatch.setattr("sam_edge.serve.models.engine_pool.open_runtime", fail)
        pool = engines.pool("onnxruntime")
        engines.warm_up(engines.segmenter(), (120, 160))
        pool.wait_until_prepared(60)
        assert pool.runtime_when_shared is pool.runtime
        assert "no memory" in caplog.text


def watch(runtime: Runtime, called: list[Runtime]) -> None:
    """Note a runtime when it encodes."""
    encode = runtime.encode

    def noted(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        called.append(runtime)
        return encode(image)

    runtime.encode = noted  # type: ignore[method-assign]


def test_only_engines_on_offer_are_opened_and_each_once(engines: Engines) -> None:
    assert engines.offers[0].name == "fake"
    assert engines.request_segmenter() is engines.request_segmenter("fake")
    assert engines.segmenter() is not engines.segmenter()
    for name in ("torch", "abacus"):
        with pytest.raises(InputError, match="not offered"):
            engines.segmenter(name)
    assert check_offered_size((448, 672)) == (448, 672)
    with pytest.raises(InputError, match="672x448"):
        check_offered_size((447, 672))
