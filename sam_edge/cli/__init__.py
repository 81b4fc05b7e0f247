"""The `sam-edge` command: one module a subcommand, each with `add_parser` and `run`."""

from sam_edge.cli.command_line import main

__all__ = ["main"]
