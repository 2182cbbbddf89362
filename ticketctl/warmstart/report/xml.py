"""Elements of SVG and HTML. This module, and no other, escapes the text that comes from a handler."""

from html import escape
from string import Template

LIGHT = {
    "back": "#ffffff",
    "text": "#1f2328",
    "dim": "#59636e",
    "line": "#d1d9e0",
    "good": "#1a7f37",
    "odd": "#9a6700",
    "leak": "#8250df",
    "bad": "#cf222e",
    "live": "#0969da",
}
DARK = {
    "back": "#0d1117",
    "text": "#e6edf3",
    "dim": "#9198a1",
    "line": "#3d444d",
    "good": "#3fb950",
    "odd": "#d29922",
    "leak": "#ab7df8",
    "bad": "#f85149",
    "live": "#4493f8",
}
SHAPES = """
:root { color-scheme: light dark }
svg text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
svg .strong { font-weight: 700 }
svg .grid { stroke-width: 1 }
svg .loop, svg .live, svg .dead, svg .stale-use { stroke-width: 1.5 }
svg .loop, svg .stale-use { fill: none }
svg .live { fill-opacity: .3 }
svg .dead { stroke-dasharray: 5 3 }
svg .end { stroke-width: 2 }
svg .series { fill: none; stroke-width: 2 }
"""
COLOURS = Template("""
body { background: $back; color: $text }
svg text { fill: $text }
svg .dim { fill: $dim }
svg .back, svg .dead { fill: $back }
svg .grid { stroke: $line }
svg .loop, svg .end { stroke: $text }
svg .live { fill: $live; stroke: $live }
svg .dead, svg .stale-use { stroke: $bad }
svg .series { stroke: $live }
svg .safe, svg .ok { fill: $good }
svg .fragile, svg .masked, svg .partial { fill: $odd }
svg .leaking, svg .unsafe { fill: $leak }
svg .broken, svg .error, svg .arrowhead { fill: $bad }
""")
STYLE = (
    f"{SHAPES}{COLOURS.substitute(LIGHT)}@media (prefers-color-scheme: dark) {{{COLOURS.substitute(DARK)}}}\n"
)
"""Styles for light and dark pages, without CSS variables, which some SVG viewers do not support. A word, a glyph or a
line always repeats what a colour says."""


def escape_unprintable(text: str) -> str:
    """Return the text on one line, with unprintable characters as escape sequences: XML forbids some of them."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def render_element(name: str, *content: str, text: str | None = None, **attributes: object) -> str:
    """Return an element as markup: `content` is markup already, `text` is escaped.

    Attributes are escaped; `class_` becomes `class`, `text_anchor` becomes `text-anchor`.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_format(value))}"'
        for key, value in attributes.items()
    )
    body = "".join(content) + ("" if text is None else escape(escape_unprintable(text)))
    return f"<{name}{pairs}>{body}</{name}>"


def _format(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else escape_unprintable(str(value))
