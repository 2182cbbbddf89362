"""Print outcomes, verdicts and findings of any handler."""

import sys
from collections.abc import Mapping
from pathlib import Path

from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.escaping import escape_controls

STYLES = {
    "safe": "green",
    "fragile": "yellow",
    "masked": "yellow",
    "unsafe": "magenta",
    "leaking": "magenta",
    "broken": "bold red",
}
OUTCOME_STYLES = {"ok": "green", "partial": "yellow", "error": "bold red"}
MEANINGS = {
    "safe": "every invocation was ok, nothing grows, and nothing is bound to a closed event loop",
    "fragile": "safe until a freeze cuts its connections: the invocation after the thaw failed",
    "masked": "no failure yet, but an object bound to a closed event loop is left for the next invocation",
    "unsafe": "no failure, but restored SnapStart environments share random state, an id or a secret",
    "leaking": "connections, descriptors, threads or child processes grow with the invocations",
    "broken": "an invocation failed, or the process died or hung",
}
_GLYPHS = {"ok": "✓", "partial": "◐", "error": "✗"}
_PLAIN_GLYPHS = {"ok": ".", "partial": "o", "error": "x"}
_WIDTH = 100
"""Columns of a paragraph at most: longer lines are hard to read."""


def print_finding(kind: str, parts: Mapping[str, str]) -> None:
    """Print a finding on a terminal: its kind, then a paragraph for each of its parts."""
    from rich.padding import Padding
    from rich.text import Text

    console = output.make_console()
    console.print(f"\n{kind}", style="bold", width=_WIDTH)
    for name, text in parts.items():
        short = text.replace(f"{Path.cwd()}/", "")
        paragraph = Text.assemble(
            (f"{name}: ", "green" if name in {"fix", "cure"} else "dim"), escape_controls(short)
        )
        console.print(Padding(paragraph, (0, 0, 0, 2)), width=min(_WIDTH, console.width))


def choose_glyphs() -> Mapping[str, str]:
    """Return a character for each outcome, in ASCII if the terminal does not take UTF-8."""
    return _GLYPHS if is_utf8() else _PLAIN_GLYPHS


def choose_mark() -> str:
    """Return the character that marks the configured cell."""
    return "◀" if is_utf8() else "<"


def is_utf8() -> bool:
    """Return whether standard output takes UTF-8."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
