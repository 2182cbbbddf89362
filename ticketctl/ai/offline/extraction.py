"""Finds what a ticket names, by patterns; what is secret is masked before anyone sees it."""

import re
from collections.abc import Iterator
from functools import cache

from ticketctl.ai.offline import checksums, patterns
from ticketctl.ai.taxonomy.schema import Identifier
from ticketctl.tickets.models import Entity, Extraction

LIMIT = 200
"""Entities that one ticket may have; a pasted log names thousands."""

MASKED = frozenset({"card", "iban"})
"""Kinds of which only the last four characters are ever kept."""


def extract(text: str, identifiers: tuple[Identifier, ...]) -> Extraction:
    """The first entities of a text in the order of their place, none within another. Cards and IBANs are masked."""
    return Extraction(entities=tuple(found(text, identifiers)[:LIMIT]))


def found(
    text: str, identifiers: tuple[Identifier, ...] = (), kinds: frozenset[str] | None = None
) -> list[Entity]:
    """Every entity of these kinds, or of all, in the order of their place; secret ones masked."""
    taken = bytearray(len(text))
    entities: list[Entity] = []
    for kind, start, end in _candidates(text, identifiers, kinds):
        if not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            value = masked(text[start:end]) if kind in MASKED else text[start:end]
            entities.append(Entity(kind=kind, value=value, start=start, end=end))
    return sorted(entities, key=lambda entity: entity.start)


def without_secrets(text: str) -> str:
    """The text with its card and account numbers masked."""
    for found in (checksums.ibans, checksums.cards):
        for start, end in reversed(list(found(text))):
            text = text[:start] + masked(text[start:end]) + text[end:]
    return text


def masked(number: str) -> str:
    """A number of which the last four characters are left."""
    return f"•••• {''.join(filter(str.isalnum, number))[-4:]}"


def _candidates(
    text: str, identifiers: tuple[Identifier, ...], kinds: frozenset[str] | None
) -> Iterator[tuple[str, int, int]]:
    for kind, secrets in (("card", checksums.cards), ("iban", checksums.ibans)):
        if kinds is None or kind in kinds:
            yield from ((kind, start, end) for start, end in secrets(text))
    lowered = text.lower()
    for kind, needs, expression in _ordered(identifiers):
        if (kinds is None or kind in kinds) and any(need in lowered for need in needs):
            yield from _matched(kind, _compiled(expression), text)


def _matched(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, int, int]]:
    group = "value" if "value" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        start, end = match.span(group)
        if kind == "url":
            end = start + len(_trimmed(match[0]))
        if end > start:
            yield kind, start, end


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


@cache
def _ordered(identifiers: tuple[Identifier, ...]) -> tuple[patterns.Pattern, ...]:
    """The patterns in the order in which they may take a place: links, what the desk configured, the rest."""
    own = [patterns.identifier(i.kind, i.keywords, i.pattern) for i in identifiers]
    links = [pattern for pattern in patterns.PATTERNS if pattern.kind in {"url", "email"}]
    rest = [pattern for pattern in patterns.PATTERNS if pattern.kind not in {"url", "email"}]
    return (*links, *own, *rest)


def _trimmed(url: str) -> str:
    """A link without the punctuation of the sentence around it."""
    while url and (
        url[-1] in ".,;:!?*_~" or (url[-1] in ")]" and url.count(url[-1]) > url.count("(["[url[-1] == "]"]))
    ):
        url = url[:-1]
    return url
