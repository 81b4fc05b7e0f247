"""A Core ML bundle behind the interface of every engine, executed by the MIL evaluator.

For the gate, for `verify` and for tests, on machines without Core ML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.bundle import Bundle
from sam_edge.exporters.coreml.evaluate_mil import Composite, Evaluator, read_package
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.runtimes.coreml import Execute, Feed, PackageRuntime


class MilRuntime(PackageRuntime):
    """The programs of a Core ML bundle, executed in their declared precision without Core ML. Slow, and exact."""

    name = "mil-evaluator"
    device = "CPU"

    def __init__(
        self,
        bundle: Bundle,
        options: RuntimeOptions | None = None,
        *,
        composite: Composite = Composite.FUSED,
    ) -> None:
        """Read nothing yet; packages are read when their size is first used."""
        super().__init__(bundle, options or RuntimeOptions())
        self._composite = composite

    def _open(self, package: Path) -> Execute:
        evaluator = Evaluator(read_package(package), composite=self._composite)

        def execute(feed: Feed) -> Mapping[str, NDArray[Any]]:
            if "image" in feed:
                feed = {**feed, "image": feed["image"].transpose(2, 0, 1)[None].astype(np.float32)}
            return evaluator(feed)

        return execute
