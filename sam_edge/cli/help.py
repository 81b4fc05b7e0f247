"""The text of `--help`: commands by purpose, and an example at the end of every subcommand's."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FOOTER = "`sam-edge COMMAND --help` shows the options of a command, and examples."


@dataclass(frozen=True)
class CommandGroup:
    """Subcommands that serve one purpose."""

    purpose: str
    """Heading in the help."""
    names: tuple[str, ...]
    """Their names, in the order of the help; each is a module of `sam_edge.cli`."""


class GroupedHelpParser(argparse.ArgumentParser):
    """A parser of subcommands whose help shows them by purpose, the most used ones first."""

    def __init__(
        self, *, groups: Sequence[CommandGroup], most_used: Sequence[tuple[str, str]], **kwargs: Any
    ) -> None:
        """Take the groups, and command lines with what each does; `kwargs` are of `ArgumentParser`."""
        super().__init__(epilog=FOOTER, **kwargs)
        self._groups, self._most_used = groups, most_used

    def format_help(self) -> str:
        """Return the text of `--help`."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        self._add_section(formatter, "most used", [_Line(line, text) for line, text in self._most_used])
        helps = {name: _Line(name, text) for name, text in short_helps(self).items()}
        for group in self._groups:
            self._add_section(formatter, group.purpose, [helps[name] for name in group.names])
        options = [action for action in self._actions if action.option_strings]
        self._add_section(formatter, "options", options)
        formatter.add_text(self.epilog)
        return formatter.format_help()

    @staticmethod
    def _add_section(
        formatter: argparse.HelpFormatter, heading: str, actions: Sequence[argparse.Action]
    ) -> None:
        formatter.start_section(heading)
        formatter.add_arguments(actions)
        formatter.end_section()


class _Line(argparse.Action):
    """A line of a section: a word or a command line, and what it does. It is never parsed."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(option_strings=[], dest=name, help=text, metavar=name)


class _ExampleFormatter(argparse.HelpFormatter):
    """Keeps the lines of examples, and wraps other texts."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(("example:", "examples:")):
            return text
        return super()._fill_text(text, width, indent)


def short_helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the line that the help has for each subcommand of a parser; empty where it has none."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {line.dest: line.help or "" for action in found for line in action._get_subactions()}


def subparsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the subcommands of a parser; empty where it has none."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: one for action in found for name, one in action.choices.items()}


def add_examples(
    parser: argparse.ArgumentParser, examples: Mapping[str, Sequence[str]], command: str = ""
) -> None:
    """End the help of every subcommand with its examples, and begin it with what the subcommand does.

    Args:
        parser: a parser with subcommands, which may have subcommands of their own.
        examples: command lines of each subcommand that has none of its own, for example of `"gaze info"`.
        command: the words that lead to `parser`.
    """
    helps = short_helps(parser)
    for name, subparser in subparsers_of(parser).items():
        words = f"{command} {name}".strip()
        if subparser.description is None:
            subparser.description = f"{helps[name][:1].upper()}{helps[name][1:]}."
        if subparsers_of(subparser):
            add_examples(subparser, examples, words)
            continue
        lines = examples.get(words, ())
        subparser.formatter_class = _ExampleFormatter
        subparser.epilog = (
            "\n  ".join([f"example{'s' if len(lines) > 1 else ''}:", *lines]) if lines else None
        )
