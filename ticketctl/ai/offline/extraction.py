"""Finds what a ticket names, by patterns; what is secret is masked before anyone sees it."""

import re
from collections.abc import Iterator
from functools import cache

from ticketctl.ai.offline import numbers, patterns
from ticketctl.ai.taxonomy import Identifier
from ticketctl.domain import Entity, Extraction

LIMIT = 200
"""Entities that one ticket may have; a pasted log names thousands."""

MASKED = frozenset({"card", "iban"})
"""Kinds of which only the last four characters are ever kept."""


def extract(text: str, identifiers: tuple[Identifier, ...]) -> Extraction:
    """The entities of a text in the order of their place, none within another. Cards and IBANs are masked."""
    taken = bytearray(len(text))
    found: list[Entity] = []
    for kind, start, end in _candidates(text, identifiers):
        if not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            value = masked(text[start:end]) if kind in MASKED else text[start:end]
            found.append(Entity(kind=kind, value=value, start=start, end=end))
    found.sort(key=lambda entity: entity.start)
    return Extraction(entities=tuple(found[:LIMIT]))


def masked(number: str) -> str:
    """A number of which the last four characters are left."""
    return f"•••• {''.join(filter(str.isalnum, number))[-4:]}"


def _candidates(text: str, identifiers: tuple[Identifier, ...]) -> Iterator[tuple[str, int, int]]:
    yield from (("card", start, end) for start, end in numbers.cards(text))
    yield from (("iban", start, end) for start, end in numbers.ibans(text))
    for kind, pattern in _compiled(identifiers):
        for match in pattern.finditer(text):
            start, end = match.span("value" if "value" in pattern.groupindex else 0)
            if kind == "url":
                end = start + len(_trimmed(match[0]))
            if end > start:
                yield kind, start, end


@cache
def _compiled(identifiers: tuple[Identifier, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The expressions in the order in which they may take a place: links, then what the desk configured."""
    own = [(i.kind, patterns.identifier(i.keywords, i.pattern)) for i in identifiers]
    first = [pair for pair in patterns.PATTERNS if pair[0] in {"url", "email"}]
    rest = [pair for pair in patterns.PATTERNS if pair[0] not in {"url", "email"}]
    return tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in (*first, *own, *rest))


def _trimmed(url: str) -> str:
    """A link without the punctuation of the sentence around it."""
    while url and (
        url[-1] in ".,;:!?*_~" or (url[-1] in ")]" and url.count(url[-1]) > url.count("(["[url[-1] == "]"]))
    ):
        url = url[:-1]
    return url
