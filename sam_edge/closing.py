"""A mixin for everything that is closed after use."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

Self = TypeVar("Self", bound="Closing")


class Closing:
    """Makes a class with `close()` a context manager that closes itself at the end of the block."""

    __slots__ = ()

    def close(self) -> None:
        """Free what is held. Closing twice is allowed."""
        raise NotImplementedError(f"{type(self).__name__}.close")

    def __enter__(self: Self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
