"""Reply templates: text with placeholders, `{subject}` or `{order_id|your order}`; `{{` and `}}` are braces."""

import re
from collections.abc import Iterator, Mapping

_PIECE = r"\{\{|\}\}|\{([a-z][a-z0-9_]*)(?:\|([^{}]*))?\}|[{}]"

ALWAYS_KNOWN = frozenset({"ticket_id", "subject", "category", "priority", "language", "team"})
"""Placeholders that every ticket can fill; any other needs a text to stand in, after the bar."""


def problems(template: str, kinds: frozenset[str]) -> Iterator[str]:
    """Say what is wrong with a template, where `kinds` are the entity kinds that it may name."""
    for piece in re.finditer(_PIECE, template):
        name, instead = piece[1], piece[2]
        if name is None:
            if len(piece[0]) == 1:
                yield f"a lone {piece[0]!r}: write it twice to mean itself"
        elif name in ALWAYS_KNOWN:
            continue
        elif name != "requester" and name not in kinds:
            yield f"{{{name}}} is no placeholder: there are {', '.join(sorted(ALWAYS_KNOWN | kinds))}, requester"
        elif instead is None:
            yield f"{{{name}}} is not known for every ticket: write {{{name}|what to say instead}}"


def fill(template: str, values: Mapping[str, str | None]) -> str:
    """The template with its placeholders replaced; what has no value gets the text after its bar."""

    def replaced(piece: re.Match[str]) -> str:
        if piece[1] is None:
            return piece[0][0]
        return values.get(piece[1]) or piece[2] or ""

    return re.sub(_PIECE, replaced, template)
