"""The work of a cold-start process: open, compile, run the first inference. Prints times and memory as JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sam_edge.media.environment import peak_memory_mb
from sam_edge.profile.measure.engine_bench import make_benchmark_frame, make_benchmark_points
from sam_edge.profile.measure.memory import resident_mb
from sam_edge.segmenter import load

Result = TypeVar("Result")


def main(import_s: float, arguments: list[str]) -> None:
    """Measure and print.

    Args:
        import_s: duration of `import sam_edge`, seconds.
        arguments: bundle, runtime, precision (`-` for none), threads (`-` for none), height, width.
    """
    bundle, runtime, precision, threads, height, width = arguments
    stages: dict[str, float] = {"import": 1e3 * import_s}
    frame, points = make_benchmark_frame(), make_benchmark_points(1)
    memory = {"import": resident_mb()}
    builds_s = record_builds()
    start = time.perf_counter()
    model = load(
        bundle,
        runtime=runtime,
        precision=None if precision == "-" else precision,
        threads=None if threads == "-" else int(threads),
        cache=False,
    )
    stages["open"] = 1e3 * (time.perf_counter() - start)
    memory["open"] = resident_mb()
    size = (int(height), int(width))
    embedding = time_first_call(
        "encode", lambda: model.encode(frame, size=size), stages=stages, memory=memory, builds_s=builds_s
    )
    time_first_call(
        "decode",
        lambda: model.decode(embedding, points=points),
        stages=stages,
        memory=memory,
        builds_s=builds_s,
    )
    memory["peak"] = peak_memory_mb()
    model.close()
    output = {"stages_ms": stages, "memory_mb": memory, "actual_precision": model.runtime.precision}
    sys.stdout.write(json.dumps(output) + "\n")


def time_first_call(
    name: str,
    call: Callable[[], Result],
    *,
    stages: dict[str, float],
    memory: dict[str, float | None],
    builds_s: list[float],
) -> Result:
    """Make the first call; compilation and inference are separate stages."""
    builds_before_s = sum(builds_s)
    start = time.perf_counter()
    result = call()
    duration_s = time.perf_counter() - start
    compile_s = sum(builds_s) - builds_before_s
    stages[f"compile {name}r"] = 1e3 * compile_s
    stages[f"first {name}"] = 1e3 * (duration_s - compile_s)
    memory[f"first {name}"] = resident_mb()
    return result


def record_builds() -> list[float]:
    """Return a list that receives the seconds of every graph compilation that a call waits for, from now on.

    The decoder is compiled in a thread while the encoder is: what the first decode still waits for is part of it. All
    engines compile inside `KeptOpen.get`, when a size is first used. This process does nothing else, so the
    method stays replaced until it ends.
    """
    from sam_edge.runtimes.base import KeptOpen

    builds_s: list[float] = []
    get = KeptOpen.get

    def timed_get(self: KeptOpen[Any], shape: tuple[int, ...], build: Callable[[], Any]) -> Any:
        def timed_build() -> Any:
            start = time.perf_counter()
            graph = build()
            if threading.current_thread() is threading.main_thread():
                builds_s.append(time.perf_counter() - start)
            return graph

        return get(self, shape, timed_build)

    setattr(KeptOpen, "get", timed_get)  # noqa: B010 - mypy takes no assignment to a method
    return builds_s
