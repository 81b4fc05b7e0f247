"""The `sam-edge` command: one module a subcommand, each with `add_parser` and `run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sam-edge` as `command_line.main` does. Ctrl+C is quiet also while the libraries are imported."""
    try:
        from sam_edge.cli.command_line import main as run
    except KeyboardInterrupt:
        print("sam-edge: interrupted", file=sys.stderr)
        return 130
    return run(arguments)
