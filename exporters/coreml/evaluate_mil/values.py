"""Number formats of MIL, and how values of each are held in torch."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import torch
from torch import Tensor

from sam_edge.errors import ExportError


class Composite(enum.Enum):
    """How layer_norm, batch_norm and softmax are computed inside."""

    FUSED = "fused"
    """In fp32, rounded once at the end."""
    STEPWISE = "stepwise"
    """Every elementary step is rounded to the operation's format, so that squares and sums may overflow."""


HELD = {
    "BOOL": torch.bool,
    "FLOAT16": torch.float16,
    "FLOAT32": torch.float32,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT4": torch.int8,
    "UINT8": torch.uint8,
    "UINT16": torch.int32,
    "UINT32": torch.int64,
    "UINT1": torch.uint8,
    "UINT2": torch.uint8,
    "UINT3": torch.uint8,
    "UINT4": torch.uint8,
    "UINT6": torch.uint8,
}
"""torch's type for each of MIL's. Unsigned types that torch lacks arithmetic for are held in a wider signed one."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """Type and shape that a program declares for a value."""

    dtype: str
    """MIL's name of the number format, for example `FLOAT16`."""
    shape: tuple[int, ...]
    """Sizes."""

    @property
    def held(self) -> torch.dtype:
        """The torch type that holds it.

        Raises:
            ExportError: values of this type are not evaluated.
        """
        if self.dtype not in HELD:
            raise ExportError(
                f"evaluate: number format {self.dtype} is not known; accepted: {', '.join(sorted(HELD))}"
            )
        return HELD[self.dtype]


Value = Tensor | str | tuple[Tensor, ...]
"""What a name of a program stands for: a tensor, a word, or several tensors."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation with its inputs at hand."""

    kind: str
    """The operation's type, for example `linear`."""
    name: str
    """Name of its first output, for messages."""
    inputs: dict[str, Value]
    """Its inputs by name."""
    outputs: tuple[TensorType, ...]
    """What the program declares for each output."""
    composite: Composite
    """How composite operations are computed."""

    def has(self, key: str) -> bool:
        """Whether an optional input was given."""
        return key in self.inputs

    def tensor(self, key: str) -> Tensor:
        """Return an input that is a tensor.

        Raises:
            ExportError: it is missing, or is a word.
        """
        value = self.inputs.get(key)
        if not isinstance(value, Tensor):
            raise ExportError(f"evaluate: {self.kind} {self.name!r} has no tensor {key!r}")
        return value

    def real(self, key: str) -> Tensor:
        """Return a floating-point input in fp32, the format of all arithmetic here."""
        return self.tensor(key).float()

    def word(self, key: str, default: str) -> str:
        """Return an input that is a word."""
        value = self.inputs.get(key, default)
        if not isinstance(value, str):
            raise ExportError(f"evaluate: {self.kind} {self.name!r} needs a word for {key!r}")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        """Return an input that is one integer or truth value."""
        if default is not None and not self.has(key):
            return default
        return int(self.tensor(key).item())

    def numbers(self, key: str) -> list[int]:
        """Return an input that is a row of integers."""
        return [int(value) for value in self.tensor(key).flatten().tolist()]

    def several(self, key: str) -> tuple[Tensor, ...]:
        """Return an input that is several tensors."""
        value = self.inputs.get(key)
        if isinstance(value, Tensor):
            return (value,)
        if not isinstance(value, tuple):
            raise ExportError(f"evaluate: {self.kind} {self.name!r} has no tensors {key!r}")
        return value

    def step(self, x: Tensor) -> Tensor:
        """Round the result of one elementary step, where steps are rounded."""
        if self.composite is Composite.STEPWISE:
            return x.to(self.outputs[0].held).float()
        return x


def as_declared(result: Tensor, declared: TensorType, call: Call) -> Tensor:
    """Round a result to its declared format.

    Raises:
        ExportError: its shape is not the declared one.
    """
    if tuple(result.shape) != declared.shape:
        raise ExportError(
            f"evaluate: {call.kind} {call.name!r} gave shape {tuple(result.shape)}, the program declares "
            f"{declared.shape}"
        )
    return result.to(declared.held)
