"""What a fresh process does: open, compile, infer for the first time, with the memory after each. Prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sam_edge.media.environment import peak_memory_mb
from sam_edge.profile.measure.engine_bench import measured_frame, measured_points
from sam_edge.profile.measure.memory import resident_mb
from sam_edge.segmenter import load

Result = TypeVar("Result")


def main(import_s: float, arguments: list[str]) -> None:
    """Measure and print.

    Args:
        import_s: how long `import sam_edge` took.
        arguments: bundle, runtime, precision (`-` for none), threads (the same), height, width.
    """
    bundle, runtime, precision, threads, height, width = arguments
    stages: dict[str, float] = {"import": 1e3 * import_s}
    frame, points = measured_frame(), measured_points(1)
    memory = {"import": resident_mb()}
    builds_s = note_builds()
    begun = time.perf_counter()
    model = load(
        bundle,
        runtime=runtime,
        precision=None if precision == "-" else precision,
        threads=None if threads == "-" else int(threads),
    )
    stages["open"] = 1e3 * (time.perf_counter() - begun)
    memory["open"] = resident_mb()
    size = (int(height), int(width))
    embedding = timed(
        "encode", lambda: model.encode(frame, size=size), stages=stages, memory=memory, builds_s=builds_s
    )
    timed(
        "decode",
        lambda: model.decode(embedding, points=points),
        stages=stages,
        memory=memory,
        builds_s=builds_s,
    )
    memory["peak"] = peak_memory_mb()
    model.close()
    found = {"stages_ms": stages, "memory_mb": memory, "ran_as": model.runtime.precision}
    sys.stdout.write(json.dumps(found) + "\n")


def timed(
    name: str,
    call: Callable[[], Result],
    *,
    stages: dict[str, float],
    memory: dict[str, float | None],
    builds_s: list[float],
) -> Result:
    """Call for the first time; compiling and inferring are noted apart."""
    before_s = sum(builds_s)
    begun = time.perf_counter()
    result = call()
    took_s = time.perf_counter() - begun
    compile_s = sum(builds_s) - before_s
    stages[f"compile {name}r"] = 1e3 * compile_s
    stages[f"first {name}"] = 1e3 * (took_s - compile_s)
    memory[f"first {name}"] = resident_mb()
    return result


def note_builds() -> list[float]:
    """Have the seconds noted that engines take to compile a graph.

    All of them compile inside `KeptOpen.get`, when a size is first used. Nothing else runs in this process, so the
    method can be replaced for its whole life.
    """
    from sam_edge.runtimes.base import KeptOpen

    spent: list[float] = []
    get = KeptOpen.get

    def timed_get(self: KeptOpen[Any], shape: tuple[int, ...], build: Callable[[], Any]) -> Any:
        def timed_build() -> Any:
            begun = time.perf_counter()
            built = build()
            spent.append(time.perf_counter() - begun)
            return built

        return get(self, shape, timed_build)

    setattr(KeptOpen, "get", timed_get)  # noqa: B010 - mypy takes no assignment to a method
    return spent
