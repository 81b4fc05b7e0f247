"""The help: commands by purpose, and an example of every subcommand that its parser accepts."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator

import pytest

from sam_edge.cli import demo
from sam_edge.cli.command_line import GROUPS, MOST_USED, main, make_parser
from sam_edge.cli.examples import EXAMPLES
from sam_edge.cli.help import subparsers_of

Run = Callable[..., tuple[int, str, str]]


def leaves(parser: argparse.ArgumentParser, words: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every subcommand that does something, with the words that lead to it."""
    for name, subparser in subparsers_of(parser).items():
        own = f"{words} {name}".strip()
        if subparsers_of(subparser):
            yield from leaves(subparser, own)
        else:
            yield own, subparser


COMMANDS = dict(leaves(make_parser()))


def parse(line: str) -> argparse.Namespace:
    """Parse a command line as a shell would hand it over; a variable of the shell counts as 3."""
    program, *arguments = shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "3"))
    assert program == "sam-edge"
    return make_parser().parse_args(arguments)


def test_every_subcommand_has_examples_and_every_example_a_subcommand() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_examples_that_the_parser_accepts(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    ending = shown.rpartition("example")[2]
    assert [line.strip() for line in ending.splitlines()[1:]] == list(EXAMPLES[command])
    assert any(line.startswith(f"sam-edge {command}") for line in EXAMPLES[command])
    for line in EXAMPLES[command]:
        parse(line)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_command_does(command: str) -> None:
    assert COMMANDS[command].description


def test_commands_stand_in_the_help_by_purpose_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = make_parser().format_help()
    headings = [
        line.removesuffix(":") for line in shown.splitlines() if line.endswith(":") and line[0] != " "
    ]
    assert headings == ["most used", *(group.purpose for group in GROUPS), "options"]
    begun = [line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line[2] != " "]
    assert sorted(word for word in begun if word[0] != "-" and word != "sam-edge") == sorted(
        subparsers_of(make_parser())
    )


def test_the_three_most_used_commands_come_first_and_are_accepted() -> None:
    shown = make_parser().format_help()
    assert len(MOST_USED) == 3
    for line, text in MOST_USED:
        assert line in shown
        assert text.split()[0] in shown
        parse(line)


def test_the_demo_ends_with_commands_to_try_next() -> None:
    lines = [line.partition("   ")[0].strip() for line in demo.NEXT.splitlines()[1:]]
    assert len(lines) == 3
    for line in lines[:2]:
        parse(line)
