"""Elements of SVG and HTML as text. Whatever comes from a handler is escaped here, and only here."""

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
svg .loop, svg .live, svg .dead, svg .handed { stroke-width: 1.5 }
svg .loop, svg .handed { fill: none }
svg .live { fill-opacity: .3 }
svg .dead { stroke-dasharray: 5 3 }
svg .end { stroke-width: 2 }
"""
COLOURS = Template("""
body { background: $back; color: $text }
svg text { fill: $text }
svg .dim { fill: $dim }
svg .back, svg .dead { fill: $back }
svg .grid { stroke: $line }
svg .loop, svg .end { stroke: $text }
svg .live { fill: $live; stroke: $live }
svg .dead, svg .handed { stroke: $bad }
svg .safe, svg .ok { fill: $good }
svg .fragile, svg .masked, svg .partial { fill: $odd }
svg .leaking { fill: $leak }
svg .broken, svg .error, svg .tip { fill: $bad }
""")
STYLE = (
    f"{SHAPES}{COLOURS.substitute(LIGHT)}@media (prefers-color-scheme: dark) {{{COLOURS.substitute(DARK)}}}\n"
)
"""For light and dark, without variables, which not every viewer of SVG knows. What a colour says is always said by a
word, a sign or a line as well."""


def plain(text: str) -> str:
    """The text with what does not print written out, so that no markup language objects to it, on one line."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def element(name: str, *inside: str, text: str | None = None, **attributes: object) -> str:
    """An element: `inside` is markup already, `text` is not; a trailing underscore in an attribute is dropped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"' for key, value in attributes.items()
    )
    content = "".join(inside) + ("" if text is None else escape(plain(text)))
    return f"<{name}{written}>{content}</{name}>"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else plain(str(value))
