"""Measures and shapes that all parts of an SVG image use."""

from dataclasses import dataclass

from ticketctl.warmstart.report.model import InvocationOutcome
from ticketctl.warmstart.report.xml import render_element

GLYPHS = {InvocationOutcome.OK: "✓", InvocationOutcome.PARTIAL: "◐", InvocationOutcome.ERROR: "✗"}
ROW_HEIGHT = 24.0
LETTER_WIDTH = 8.2
"""Pixels of a letter in the style's font, with some to spare."""
BASELINE = 4.5
"""Pixels from the middle of a letter down to its baseline."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of markup with its size in pixels."""

    markup: str
    width: float
    height: float


def render_text(x: float, y: float, text: str, class_: str = "", *, anchor: str = "start") -> str:
    """Return a line of text whose vertical middle is at `y`; some viewers ignore the attribute for that."""
    return render_element("text", text=text, x=x, y=y + BASELINE, class_=class_, text_anchor=anchor)
