"""Every transcript in the README is what the program prints.

The `console` blocks run in their order, in one folder and on one database. A line `...` stands for any number of lines.
Durations, ages, rates, addresses and runs of spaces may differ, nothing else. Simulations of the worker use the tests'
server; progress is not part of a transcript.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.program import Program

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
FILES = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", README, re.DOTALL)
BLOCKS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
VARYING = [
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min)\b( ago)?|just now"), "TIME"),
    (re.compile(r"(operation) \d+"), r"\1 NUMBER"),
    (re.compile(r"\b\d+(\.\d+)? per second"), "RATE"),
    (re.compile(r"0x[0-9a-f]+"), "ADDRESS"),
    (re.compile(r"─+"), "─"),
    (re.compile(r" +"), " "),
]
PROGRESS = re.compile("[━\u2800-\u28ff]")
"""Begins a line with a bar or a spinner."""
WIDTH = 112


class Transcript(NamedTuple):
    command: str
    output: list[str]


def read_transcripts() -> list[Transcript]:
    """Split the blocks at their prompts."""
    transcripts = []
    for block in BLOCKS:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *output = part.rstrip("\n").split("\n")
            transcripts.append(Transcript(command, output))
    return transcripts


def normalise(lines: list[str]) -> list[str]:
    for pattern, name in VARYING:
        lines = [pattern.sub(name, line).strip() for line in lines]
    return lines


def matches(expected: list[str], printed: list[str]) -> bool:
    """Compare line by line; `...` matches any number of lines."""
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(matches(expected[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and is_same_line(expected[0], printed[0]) and matches(expected[1:], printed[1:])


def is_same_line(expected: str, printed: str) -> bool:
    """Compare two lines. How much of a cut line is shown depends on how wide a duration beside it is."""
    if expected.endswith("…") and printed.endswith("…"):
        shown = min(len(expected), len(printed)) - 1
        return expected[:shown] == printed[:shown]
    return expected == printed


def test_the_transcripts_are_what_the_program_prints(
    ticketctl: Program, server: str, ask: Callable[[str], str]
) -> None:
    ask("alter sequence tickets_id_seq restart")
    for name, text in FILES:
        (ticketctl.folder / name).write_text(text)
    for command, output in read_transcripts():
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command.removeprefix("ticketctl "))]
        if words[0] == "simulate-warm-starts" and "--handler" not in words:
            words += ["--database-url", server]
        done = ticketctl.on_terminal(*words, width=WIDTH, keys="q\n")
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[^\n]*\r", "", done.out)  # no styles, no earlier progress
        printed = [line for line in shown.rstrip("\n").split("\n") if not PROGRESS.match(line)]
        expected, printed = normalise(output), normalise(printed)
        assert matches(expected, printed), "\n".join([f"$ {command}", *printed])


def test_a_transcript_that_differs_is_noticed() -> None:
    expected = normalise(["a  b 3 s ago", "...", "last"])
    assert matches(expected, normalise(["a b 70 ms ago", "x", "y", "last"]))
    assert not matches(expected, normalise(["a c 3 s ago", "last"]))
    assert not matches(expected, normalise(["a b 3 s ago", "last", "more"]))
