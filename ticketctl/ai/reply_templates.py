"""Reply templates: placeholders are `{subject}` or `{order_id|your order}`; `{{` and `}}` are literal braces."""

import re
from collections.abc import Iterator, Mapping

_SYNTAX = r"\{\{|\}\}|\{([a-z][a-z0-9_]*)(?:\|([^{}]*))?\}|[{}]"

ALWAYS_AVAILABLE = frozenset({"ticket_id", "subject", "category", "priority", "language", "team"})
"""The placeholders that every ticket can fill; any other needs a fallback text after the bar."""


def find_template_problems(template: str, kinds: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with a template; `kinds` are the entity kinds that it may use."""
    for token in re.finditer(_SYNTAX, template):
        name, fallback = token[1], token[2]
        if name is None:
            if len(token[0]) == 1:
                yield f"a single {token[0]!r}: double it for a literal brace"
        elif name in ALWAYS_AVAILABLE:
            continue
        elif name != "requester" and name not in kinds:
            yield f"{{{name}}} is not a placeholder: use one of {', '.join(sorted(ALWAYS_AVAILABLE | kinds))}, requester"
        elif fallback is None:
            yield f"{{{name}}} is not available for every ticket: write {{{name}|fallback text}}"


def fill_template(template: str, values: Mapping[str, str | None]) -> str:
    """Return the template with its placeholders replaced; a missing value becomes the fallback after the bar."""

    def replace(token: re.Match[str]) -> str:
        if token[1] is None:
            return token[0][0]
        return values.get(token[1]) or token[2] or ""

    return re.sub(_SYNTAX, replace, template)
