"""Extract entities by patterns; card and account numbers are masked at once."""

import re
from collections.abc import Iterator
from functools import cache

from ticketctl.ai.offline import checksums, patterns
from ticketctl.ai.taxonomy.schema import Identifier
from ticketctl.tickets.models import Entity, Extraction

MAX_ENTITIES = 200
"""The most entities of one ticket: a pasted log has thousands."""

MASKED_KINDS = frozenset({"card", "iban"})
"""The kinds of which only the last four characters are stored."""


def extract(text: str, identifiers: tuple[Identifier, ...]) -> Extraction:
    """Return the first entities of a text in order, without overlaps. Cards and IBANs are masked."""
    return Extraction(entities=tuple(find_entities(text, identifiers)[:MAX_ENTITIES]))


def find_entities(
    text: str, identifiers: tuple[Identifier, ...] = (), kinds: frozenset[str] | None = None
) -> list[Entity]:
    """Return every entity of these kinds (by default, of all kinds) in order; cards and IBANs are masked."""
    taken = bytearray(len(text))  # one flag for each character: the first pattern that claims it wins
    entities: list[Entity] = []
    for kind, start, end in _candidates(text, identifiers, kinds):
        if not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            value = mask(text[start:end]) if kind in MASKED_KINDS else text[start:end]
            entities.append(Entity(kind=kind, value=value, start=start, end=end))
    return sorted(entities, key=lambda entity: entity.start)


def mask_secrets(text: str) -> str:
    """Return the text with its card and account numbers masked."""
    for find in (checksums.find_ibans, checksums.find_cards):
        for start, end in reversed(list(find(text))):
            text = text[:start] + mask(text[start:end]) + text[end:]
    return text


def mask(number: str) -> str:
    """Return the mask of a number: only its last four characters are left."""
    return f"•••• {''.join(filter(str.isalnum, number))[-4:]}"


def _candidates(
    text: str, identifiers: tuple[Identifier, ...], kinds: frozenset[str] | None
) -> Iterator[tuple[str, int, int]]:
    for kind, find in (("card", checksums.find_cards), ("iban", checksums.find_ibans)):
        if kinds is None or kind in kinds:
            yield from ((kind, start, end) for start, end in find(text))
    lowered = text.lower()
    for kind, required, expression in _order_patterns(identifiers):
        if (kinds is None or kind in kinds) and any(literal in lowered for literal in required):
            yield from _match(kind, _compile(expression), text)


def _match(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, int, int]]:
    group = "value" if "value" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        start, end = match.span(group)
        if kind == "url":
            end = start + len(_trim_url(match[0]))
        if end > start:
            yield kind, start, end


@cache
def _compile(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


@cache
def _order_patterns(identifiers: tuple[Identifier, ...]) -> tuple[patterns.EntityPattern, ...]:
    """Return the patterns by precedence: links and addresses, the configured identifiers, the rest."""
    own = [patterns.identifier_pattern(i.kind, i.keywords, i.pattern) for i in identifiers]
    links = [pattern for pattern in patterns.PATTERNS if pattern.kind in {"url", "email"}]
    rest = [pattern for pattern in patterns.PATTERNS if pattern.kind not in {"url", "email"}]
    return (*links, *own, *rest)


def _trim_url(url: str) -> str:
    """Return a URL without the punctuation of the sentence around it."""
    while url and (
        url[-1] in ".,;:!?*_~" or (url[-1] in ")]" and url.count(url[-1]) > url.count("(["[url[-1] == "]"]))
    ):
        url = url[:-1]
    return url
