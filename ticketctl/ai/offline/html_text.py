"""Turn HTML mail into text, with Lexbor through selectolax."""

import re

_MAX_CHARACTERS = 100_000  # of HTML; the text of a mail is far shorter than its markup
_SNIFFED = 20_000
_TAG = re.compile(
    r"(?i)<(?:!doctype html|/?(?:html|head|body|div|p|br|table|tr|td|span|ul|li|h[1-6])\b)[^<>]{0,500}>"
)
_MIN_TAGS = 2  # a person who writes about HTML names a tag or two
_LINE_END = re.compile(
    r"(?i)<(?:br\b[^<>]{0,200}|/(?:p|div|tr|li|ul|ol|table|h[1-6]|blockquote|title)\s{0,9})>"
)
_CELL_END = re.compile(r"(?i)</t[dh]\s{0,9}>")
_HIDDEN = ("script", "style", "template", "noscript", "head")
_MAX_DEPTH = 300  # of nested elements; deeper markup is an attack, and its tags are removed by pattern


def is_html(text: str) -> bool:
    """Tell whether the text is HTML, and not a text that mentions a tag."""
    head = text[:_SNIFFED]
    if "<" not in head:
        return False
    tags = _TAG.findall(head)
    return len(tags) > _MIN_TAGS or any(
        tag[1:6].lower().startswith(("html", "!doct", "body")) for tag in tags
    )


def html_to_text(html: str) -> str:
    """Return the visible text of HTML: one line for each block, `>` before the lines of a blockquote."""
    html = html[:_MAX_CHARACTERS]
    marked = _CELL_END.sub(lambda end: f" {end[0]}", _LINE_END.sub(lambda end: f"\n{end[0]}", html))
    if _is_nested_deeply(marked):
        text = re.sub(r"<[^<>]{0,2000}>", " ", marked)
    else:
        from selectolax.lexbor import LexborHTMLParser

        tree = LexborHTMLParser(marked)
        tree.strip_tags(list(_HIDDEN))
        for quote in tree.css("blockquote"):
            quote.replace_with("\n".join(["", *(f"> {line}" for line in quote.text().split("\n")), ""]))
        text = (tree.body.text() if tree.body else "") or tree.text()
    lines = (" ".join(line.split()) for line in text.replace("\xa0", " ").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _is_nested_deeply(html: str) -> bool:
    depth = deepest = 0
    for closing, name in re.findall(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})", html):
        if name.lower() in {"br", "img", "hr", "meta", "input", "link", "p", "li", "td", "tr"}:
            continue
        depth += -1 if closing else 1
        deepest = max(deepest, depth)
    return deepest > _MAX_DEPTH
