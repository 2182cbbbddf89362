"""Reply templates: text with placeholders; `{{` and `}}` are literal braces.

A placeholder is `{subject}`, `{order_id|your order}` with a fallback, or `{order_id|your order|order *}`, where the
third part is the phrase around the value. An empty value takes the space before it away.
"""

import re
from collections.abc import Iterator, Mapping

_SYNTAX = r"\{\{|\}\}| ?\{([a-z][a-z0-9_]*)(?:\|([^{}|]*))?(?:\|([^{}]*))?\}|[{}]"
_MAX_WRAPPED = (
    60  # a line of a template that is at least this long was broken by an editor, not by its author
)

ALWAYS_AVAILABLE = frozenset({"ticket_id", "subject", "category", "priority", "language", "team"})
"""The placeholders that every ticket can fill; any other needs a fallback text after the bar."""

_OPTIONAL = frozenset({"requester", "name", "topic"})
"""The requester as given, the requester's name, and the subject in quotation marks if it says something."""


def find_template_problems(template: str, kinds: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with a template; `kinds` are the entity kinds that it may use."""
    for token in re.finditer(_SYNTAX, template):
        name, fallback = token[1], token[2]
        if name is None:
            if len(token[0]) == 1:
                yield f"a single {token[0]!r}: double it for a literal brace"
        elif name in ALWAYS_AVAILABLE:
            continue
        elif name not in _OPTIONAL | kinds:
            yield f"{{{name}}} is not a placeholder: use one of {', '.join(sorted(ALWAYS_AVAILABLE | _OPTIONAL | kinds))}"
        elif fallback is None:
            yield f"{{{name}}} is not available for every ticket: write {{{name}|fallback text}}"


def fill_template(template: str, values: Mapping[str, str | None]) -> str:
    """Return the template with its placeholders replaced; a missing value becomes the fallback after the bar.

    Lines that an editor wrapped are joined: a mail program wraps a paragraph itself.
    """

    def replace(token: re.Match[str]) -> str:
        if token[1] is None:
            return token[0][0]
        value = values.get(token[1])
        text = (token[3] or "*").replace("*", value) if value else token[2] or ""
        return f" {text}" if text and token[0][0] == " " else text

    return re.sub(_SYNTAX, replace, _unwrap(template))


def _unwrap(template: str) -> str:
    lines: list[str] = []
    is_wrapped = False
    for line in template.split("\n"):
        is_continued = is_wrapped and line[:1].isalnum()
        is_wrapped = len(line) >= _MAX_WRAPPED
        if is_continued:
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return "\n".join(lines)
