"""Executes a program, operation by operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam_edge.errors import ExportError, InputError
from sam_edge.exporters.coreml.evaluate_mil.elementwise import ELEMENTWISE
from sam_edge.exporters.coreml.evaluate_mil.layers import LAYERS
from sam_edge.exporters.coreml.evaluate_mil.layout import LAYOUT
from sam_edge.exporters.coreml.evaluate_mil.program import Operation, Program
from sam_edge.exporters.coreml.evaluate_mil.rounding import ROUNDING
from sam_edge.exporters.coreml.evaluate_mil.values import Call, Composite, Value, as_declared

Rule = Callable[[Call], Tensor | tuple[Tensor, ...]]
Watcher = Callable[[Operation, Call, tuple[Tensor, ...]], None]

RULES: dict[str, Rule] = {**ELEMENTWISE, **LAYERS, **LAYOUT, **ROUNDING}
"""What is known of each type of operation."""


class Evaluator:
    """A program ready to be executed. Weights are decompressed once."""

    def __init__(self, program: Program, *, composite: Composite = Composite.FUSED) -> None:
        """Check that every operation is known, and decompress the weights.

        Raises:
            ExportError: an operation is not known, or a weight cannot be decompressed.
        """
        unknown = sorted(program.kinds() - RULES.keys())
        if unknown:
            raise ExportError(
                f"evaluate: operations {', '.join(unknown)} are not known; accepted: {', '.join(sorted(RULES))}"
            )
        self.program = program
        self.composite = composite
        self._constants = dict(program.constants)
        self._operations = []
        for operation in program.operations:
            if operation.kind.startswith("constexpr_"):
                self._perform(operation, self._constants)
            else:
                self._operations.append(operation)
        self._uses = Counter(
            name
            for operation in self._operations
            for bound in operation.inputs.values()
            for name in bound
            if isinstance(name, str)
        )
        self._uses.update(program.outputs)

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], *, watch: Watcher | None = None
    ) -> dict[str, NDArray[Any]]:
        """Execute the program.

        Args:
            inputs: an array for each input, of its declared shape. Values are rounded to the declared format.
            watch: called after every operation with what went in and came out.

        Returns:
            Outputs by name; floating-point ones as float32 whatever their declared format.

        Raises:
            InputError: inputs are missing, unknown, or of another shape.
            ExportError: the program contradicts itself.
        """
        values: dict[str, Value] = {**self._constants, **self._accept(inputs)}
        left = Counter(self._uses)
        with torch.inference_mode():
            for operation in self._operations:
                self._perform(operation, values, watch)
                for bound in operation.inputs.values():
                    for name in bound:
                        if isinstance(name, str):
                            left[name] -= 1
                            if not left[name]:
                                values.pop(name, None)
        return {name: as_array(values[name]) for name in self.program.outputs}

    def _accept(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
        wanted = self.program.inputs
        if set(inputs) != set(wanted):
            raise InputError(f"inputs: {sorted(inputs)}; accepted: {sorted(wanted)}")
        accepted = {}
        for name, kind in wanted.items():
            if np.shape(inputs[name]) != kind.shape:
                raise InputError(f"{name}: shape {np.shape(inputs[name])}; accepted: {kind.shape}")
            accepted[name] = torch.from_numpy(np.array(inputs[name])).to(kind.held)
        return accepted

    def _perform(self, operation: Operation, values: dict[str, Value], watch: Watcher | None = None) -> None:
        call = Call(
            kind=operation.kind,
            name=operation.outputs[0][0],
            inputs={key: bound_value(bound, values) for key, bound in operation.inputs.items()},
            outputs=tuple(kind for _, kind in operation.outputs),
            composite=self.composite,
        )
        output = RULES[operation.kind](call)
        results = output if isinstance(output, tuple) else (output,)
        if len(results) != len(operation.outputs):
            raise ExportError(f"evaluate: {call.kind} {call.name!r} gave {len(results)} results")
        rounded = tuple(
            as_declared(result, kind, call) for result, kind in zip(results, call.outputs, strict=True)
        )
        if watch is not None:
            watch(operation, call, rounded)
        values.update({name: result for (name, _), result in zip(operation.outputs, rounded, strict=True)})


def bound_value(bound: tuple[str | Value, ...], values: Mapping[str, Value]) -> Value:
    """Look up what an input is bound to; several bindings make several tensors."""
    bindings = [values[item] if isinstance(item, str) and item in values else item for item in bound]
    if len(bindings) == 1:
        return bindings[0]
    tensors = tuple(item for item in bindings if isinstance(item, Tensor))
    if len(tensors) != len(bindings):
        raise ExportError("evaluate: an input of several values holds something that is no tensor")
    return tensors


def as_array(value: Value) -> NDArray[Any]:
    """Return an output as numpy."""
    if not isinstance(value, Tensor):
        raise ExportError("evaluate: an output is no tensor")
    return (value.float() if value.is_floating_point() else value).numpy()
