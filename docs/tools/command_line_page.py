"""Fills `reference/command_line.md` with every command and its options, from the parsers of `sam-edge`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from sam_edge.cli.command_line import make_parser

PAGE = "reference/command_line"
MARK = "<!-- commands -->"


def add_options(app: object, name: str, source: list[str]) -> None:
    """Put the commands in the place of the mark on the page of the command line."""
    if name == PAGE:
        source[0] = source[0].replace(MARK, "\n".join(describe_commands(make_parser())))


def describe_commands(parser: argparse.ArgumentParser, level: int = 2) -> Iterator[str]:
    """Yield the lines of Markdown for all commands below a parser."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        summaries = {choice.dest: choice.help for choice in action._choices_actions}
        for name, command in action.choices.items():
            yield from _describe_command(command, summaries.get(name) or "", level)


def _describe_command(command: argparse.ArgumentParser, summary: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {command.prog}\n"
    yield _escape(command.description or f"{summary[:1].upper()}{summary[1:]}.") + "\n"
    yield f"```text\n{command.format_usage().strip()}\n```\n"
    rows = [row for action in command._actions if (row := _describe_action(command, action))]
    if rows:
        yield "| argument | meaning |\n| --- | --- |"
        yield from rows
        yield ""
    if command.epilog:
        yield f"```text\n{command.epilog.strip()}\n```\n"
    yield from describe_commands(command, level + 1)


def _describe_action(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
        return ""
    if action.help == argparse.SUPPRESS:
        return ""
    formatter = command.formatter_class(prog=command.prog)
    text = formatter._expand_help(action) if action.help else ""
    return f"| `{_invocation(action)}` | {_escape(text)} |"


def _invocation(action: argparse.Action) -> str:
    values = action.metavar or (
        action.dest if not action.choices else "{" + ",".join(map(str, action.choices)) + "}"
    )
    value = " ".join(values) if isinstance(values, tuple) else str(values)
    if action.option_strings:
        takes_value = action.nargs != 0
        options = ", ".join(action.option_strings)
        return (
            f"{options} {value if action.metavar or action.choices else value.upper()}".replace("|", "\\|")
            if takes_value
            else options
        )
    return value.replace("|", "\\|")


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("`", "'").strip()
