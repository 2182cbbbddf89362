"""Extract entities by patterns; card and account numbers are masked at once."""

import re
from collections.abc import Iterator
from functools import cache

from ticketctl.ai.normalization import normalize
from ticketctl.ai.offline import patterns
from ticketctl.ai.payment_numbers import find_cards, find_ibans
from ticketctl.ai.regex_safety import match_word
from ticketctl.ai.sanitize import MAX_CHARACTERS
from ticketctl.ai.taxonomy.schema import Identifier
from ticketctl.tickets.models import Entity, Extraction

MAX_ENTITIES = 200
"""The most entities of one ticket: a pasted log has thousands."""

MASKED_KINDS = frozenset({"card", "iban"})
"""The kinds of which only the last four characters are stored."""

_MAX_LENGTH = 2_000  # characters of an entity: one that begins before the limit is matched to its end


def extract(text: str, identifiers: tuple[Identifier, ...]) -> Extraction:
    """Return the first entities of a text in order, without overlaps. Cards and IBANs are masked."""
    return Extraction(entities=tuple(find_entities(text, identifiers)[:MAX_ENTITIES]))


def find_entities(
    text: str, identifiers: tuple[Identifier, ...] = (), kinds: frozenset[str] | None = None
) -> list[Entity]:
    """Return the entities of these kinds (by default, of all kinds) in order; cards and IBANs are masked.

    Entities that begin after the first MAX_CHARACTERS characters are left out.
    """
    text = text[: MAX_CHARACTERS + _MAX_LENGTH]
    taken = bytearray(len(text))  # one flag for each character: the first pattern that claims it wins
    entities: list[Entity] = []
    for kind, start, end in _candidates(text, identifiers, kinds):
        if start < MAX_CHARACTERS and not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            value = mask(text[start:end]) if kind in MASKED_KINDS else text[start:end]
            entities.append(Entity(kind=kind, value=value, start=start, end=end))
    return sorted(entities, key=lambda entity: entity.start)


def mask_secrets(text: str) -> str:
    """Return the text with its card and account numbers masked."""
    masked, end = [], 0
    for _, start, stop in sorted(_find_secrets(text, MASKED_KINDS), key=lambda secret: secret[1]):
        if start >= end:
            masked += [text[end:start], mask(text[start:stop])]
            end = stop
    return "".join([*masked, text[end:]])


def mask(number: str) -> str:
    """Return the mask of a number: only its last four characters are left."""
    return f"•••• {''.join(filter(str.isalnum, number))[-4:]}"


def _candidates(
    text: str, identifiers: tuple[Identifier, ...], kinds: frozenset[str] | None
) -> Iterator[tuple[str, int, int]]:
    yield from _find_secrets(text, kinds or MASKED_KINDS)
    lowered = text.lower()
    for kind, required, expression, value in _order_patterns(identifiers):
        if (kinds is None or kind in kinds) and any(map(lowered.__contains__, required)):
            yield from _match(kind, _compile(expression), text, value)


def _find_secrets(text: str, kinds: frozenset[str]) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of card numbers and IBANs, in any spelling."""
    normalized = normalize(text)
    for kind, find in (("card", find_cards), ("iban", find_ibans)):
        if kind in kinds:
            yield from ((kind, *normalized.original_span(start, end)) for start, end in find(normalized.text))


def _match(kind: str, pattern: re.Pattern[str], text: str, value: str) -> Iterator[tuple[str, int, int]]:
    group = "value" if "value" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        start, end = match.span(group)
        if value:
            start, end = end, match_word(value, text, end) or end
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
    """Return a URL without the punctuation of the sentence around it; a bracket stays if it has its partner."""
    unmatched = {closing: url.count(closing) - url.count(opening) for opening, closing in ("()", "[]")}
    end = len(url)
    while end and (url[end - 1] in ".,;:!?*_~" or unmatched.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in unmatched:
            unmatched[url[end]] -= 1
    return url[:end]
