"""coremltools, imported and called without the notices that it gives about itself.

On import it says that this torch and this scikit-learn were not tested with it, and, anywhere but on macOS, that its
prediction library is missing. Neither concerns a user of sam-edge: what it converts is checked by running it.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from sam_edge.errors import MissingExtraError


@contextmanager
def quiet() -> Iterator[None]:
    """Let coremltools log only errors while inside, draw no progress bars, and not warn about torch's internals."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        # The bars that it draws can be turned off nowhere; they go to stderr.
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            # torch.export's own use of a name that it has since deprecated.
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\).*", FutureWarning)
            # numpy on coremltools' rounding of fp32 constants that do not fit fp16 (they become infinite).
            warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
            # coremltools' own use of what it has since deprecated.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"coremltools\.")
            # coremltools leaves its temporary folders to the garbage collector.
            warnings.filterwarnings("ignore", "Implicitly cleaning up", ResourceWarning)
            yield
    finally:
        logger.setLevel(level)


try:
    with quiet():
        import coremltools
        from coremltools.proto import MIL_pb2 as mil_proto
        from coremltools.proto import Model_pb2 as model_proto
        from google.protobuf.message import DecodeError as _DecodeError
except ImportError as error:
    raise MissingExtraError("coremltools", extra="export", purpose="exporting to Core ML") from error

DecodeError: type[Exception] = _DecodeError
"""What protobuf raises for bytes that are no message."""

__all__ = ["DecodeError", "coremltools", "mil_proto", "model_proto", "quiet"]
