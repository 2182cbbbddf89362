"""Elements of SVG and HTML as text. Whatever comes from a handler is escaped here, and only here."""

from html import escape

STYLE = """
:root { color-scheme: light dark }
svg, body { --back: #ffffff; --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --band: #f6f8fa;
  --safe: #1a7f37; --fragile: #9a6700; --masked: #9a6700; --leaking: #8250df; --broken: #cf222e; --live: #0969da }
@media (prefers-color-scheme: dark) {
  svg, body { --back: #0d1117; --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --band: #151b23;
    --safe: #3fb950; --fragile: #d29922; --masked: #d29922; --leaking: #ab7df8; --broken: #f85149; --live: #4493f8 }
}
svg text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--text) }
svg .dim { fill: var(--dim) } svg .strong { font-weight: 700 } svg .back { fill: var(--back) }
svg .band { fill: var(--band) } svg .grid { stroke: var(--line); stroke-width: 1 }
svg .loop { fill: none; stroke: var(--text); stroke-width: 1.5 }
svg .live { fill: var(--live); fill-opacity: .3; stroke: var(--live); stroke-width: 1.5 }
svg .dead { fill: var(--back); stroke: var(--broken); stroke-width: 1.5; stroke-dasharray: 5 3 }
svg .end { stroke: var(--text); stroke-width: 2 }
svg .handed { fill: none; stroke: var(--broken); stroke-width: 1.5 } svg .tip { fill: var(--broken) }
svg .safe, svg .ok { fill: var(--safe) } svg .fragile, svg .masked, svg .partial { fill: var(--fragile) }
svg .leaking { fill: var(--leaking) } svg .broken, svg .error { fill: var(--broken) }
"""
"""For light and dark; what a colour says is always said by a word, a sign or a line as well."""


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
