"""How outcomes, verdicts and findings look, whatever handler they are of."""

import sys
from collections.abc import Mapping
from pathlib import Path

from ticketctl.cli.rendering import output
from ticketctl.cli.rendering.escaping import visible

STYLES = {
    "safe": "green",
    "fragile": "yellow",
    "masked": "yellow",
    "leaking": "magenta",
    "broken": "bold red",
}
OUTCOME_STYLES = {"ok": "green", "partial": "yellow", "error": "bold red"}
MEANINGS = {
    "safe": "every invocation was ok, nothing grows, nothing is left bound to a closed loop",
    "fragile": "sound, but it does not stand the loss of its connections during a freeze",
    "masked": "no failure yet, but something bound to a closed loop waits for the next invocation",
    "leaking": "connections, descriptors or threads grow with the invocations",
    "broken": "an invocation was not ok",
}
_GLYPHS = {"ok": "✓", "partial": "◐", "error": "✗"}
_PLAIN_GLYPHS = {"ok": ".", "partial": "o", "error": "x"}
_WIDTH = 100
"""Columns of a paragraph: longer lines are hard to read."""


def print_finding(kind: str, parts: Mapping[str, str]) -> None:
    """Print one finding for a person: its kind, then a paragraph for each of its parts."""
    from rich.padding import Padding
    from rich.text import Text

    console = output.console()
    console.print(f"\n{kind}", style="bold", width=_WIDTH)
    for name, text in parts.items():
        near = text.replace(f"{Path.cwd()}/", "")
        paragraph = Text.assemble((f"{name}: ", "green" if name == "fix" else "dim"), visible(near))
        console.print(Padding(paragraph, (0, 0, 0, 2)), width=min(_WIDTH, console.width))


def glyphs() -> Mapping[str, str]:
    """A character for each outcome, as far as the terminal can show it."""
    return _GLYPHS if _unicode() else _PLAIN_GLYPHS


def mark() -> str:
    """What points at the configured cell."""
    return "◀" if _unicode() else "<"


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
