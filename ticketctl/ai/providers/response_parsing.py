"""Parse a model's text into a step's result: only the taxonomy's vocabulary, only values that the ticket contains."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NoReturn, TypeVar

from ticketctl.ai.draft_validation import find_draft_problems
from ticketctl.ai.offline.extraction import MASKED_KINDS, MAX_ENTITIES, find_entities
from ticketctl.ai.redaction import RedactedText
from ticketctl.ai.sanitize import strip_invisible
from ticketctl.ai.taxonomy.schema import NO_CATEGORY, SENTIMENTS, Taxonomy
from ticketctl.tickets.models import Classification, Draft, Entity, Extraction

MAX_REPLY_CHARACTERS = 5_000
_MAX_VALUE_CHARACTERS = 2_000  # of one extracted value
_MAX_LISTED = 40  # allowed values that an error lists
_MAX_OBJECTS = 100  # positions of a text that may begin a JSON object
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*")

Parsed = TypeVar("Parsed")


class UnusableResponseError(Exception):
    """A response that cannot be used; the message tells the model why."""


def parse_classification(text: str, taxonomy: Taxonomy) -> Classification:
    """Return the classification in a model's text. Raises UnusableResponseError for values outside the taxonomy."""
    return _first_usable(text, lambda fields: _classification(fields, taxonomy))


def _classification(fields: dict[str, Any], taxonomy: Taxonomy) -> Classification:
    category = _choice(fields, "category", (*(c.name for c in taxonomy.categories), NO_CATEGORY))
    priority = _choice(fields, "priority", tuple(p.name for p in taxonomy.priorities))
    sentiment = _choice(fields, "sentiment", SENTIMENTS)
    language = _language(fields)
    confidence = _confidence(fields)
    known = None if category == NO_CATEGORY else category
    confidence = confidence if known else 0.0
    return Classification(
        category=known,
        priority=priority,
        sentiment=sentiment,
        language=language,
        confidence=confidence,
        method="model",
        review=tuple(taxonomy.review_reasons(known, confidence)),
    )


def parse_extraction(text: str, taxonomy: Taxonomy, ticket: str, redacted: RedactedText) -> Extraction:
    """Return the entities in a model's text, each with its position in the ticket's text.

    Values that the ticket does not contain literally are dropped. Secrets that our own patterns find are added,
    masked. Raises UnusableResponseError for an unknown kind.
    """
    kinds = taxonomy.entity_kinds()
    pairs = _first_usable(text, lambda fields: _entities(fields, kinds))
    kept = find_entities(ticket, kinds=MASKED_KINDS)
    for kind, value in pairs[:MAX_ENTITIES]:
        position = _find_position(redacted.restore_exactly(value), ticket, kept)
        if position and kind not in MASKED_KINDS:
            start, end = position
            kept.append(Entity(kind=kind, value=ticket[start:end], start=start, end=end))
    return Extraction(entities=tuple(sorted(kept, key=lambda entity: entity.start)[:MAX_ENTITIES]))


def parse_draft(
    text: str, taxonomy: Taxonomy, ticket: str, redacted: RedactedText, instructions: str = ""
) -> Draft:
    """Return the draft in a model's text; `instructions` is the prompt that the model was given.

    Raises UnusableResponseError if it names a link, address or amount that neither the ticket nor a template names,
    asks for a secret, promises money, or repeats the instructions.
    """
    reply = _first_usable(text, lambda fields: _text(fields, "reply"))
    if len(reply) > MAX_REPLY_CHARACTERS:
        raise UnusableResponseError(f"the reply is longer than {MAX_REPLY_CHARACTERS:,} characters")
    reply = strip_invisible(reply).strip()
    if unknown := redacted.unknown_placeholders(reply):
        raise UnusableResponseError(f"the ticket has no placeholder {unknown[0]}")
    reply = redacted.restore(reply)
    for problem in find_draft_problems(reply, ticket, taxonomy, instructions):
        raise UnusableResponseError(problem)
    if not reply:
        raise UnusableResponseError("the reply is empty")
    return Draft(text=f"{reply}\n", method="model")


def _first_usable(text: str, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """Return what `parse` makes of the first JSON object in a model's text that it accepts.

    A code block, thoughts or sentences may surround the object, and contain other objects: an example, an echo of
    the ticket. Raises the error of the first object if none is accepted.
    """
    problem: UnusableResponseError | None = None
    # some servers drop the opening <think>, because the prompt ends with it
    thoughts, _, answer = text.rpartition("</think>")
    for fields in chain(_objects(answer), _objects(thoughts)):
        try:
            return parse(fields)
        except UnusableResponseError as error:
            problem = problem or error
    raise problem or UnusableResponseError("the answer contains no JSON object")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the outermost JSON objects in a text."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    start = text.find("{")
    for _ in range(_MAX_OBJECTS):
        if start < 0:
            return
        try:
            fields, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield fields
        start = text.find("{", end)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _field(fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise UnusableResponseError(f"the field {name!r} is missing")
    return fields[name]


def _text(fields: dict[str, Any], name: str) -> str:
    value = _field(fields, name)
    if not isinstance(value, str) or not value:
        raise UnusableResponseError(f"the field {name!r} must be a text that is not empty")
    return value


def _choice(fields: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = _field(fields, name)
    if value in choices:
        return str(value)
    same = [c for c in choices if isinstance(value, str) and c.casefold() == value.strip().casefold()]
    if len(same) != 1:
        listed = ", ".join(choices[:_MAX_LISTED]) + (", ..." if len(choices) > _MAX_LISTED else "")
        raise UnusableResponseError(f"the field {name!r} must be one of: {listed}")
    return same[0]


def _language(fields: dict[str, Any]) -> str:
    value = _field(fields, "language")
    found = _LANGUAGE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise UnusableResponseError("the field 'language' must be an ISO 639 code such as en, or und")
    return found[1]


def _confidence(fields: dict[str, Any]) -> float:
    value = _field(fields, "confidence")
    if isinstance(value, str) and re.fullmatch(r"\s*\d?\.?\d{1,20}\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UnusableResponseError("the field 'confidence' must be a number from 0 to 1")
    return float(value)


def _entities(fields: dict[str, Any], kinds: frozenset[str]) -> list[tuple[str, str]]:
    """Return (kind, value) for each entry of `entities`. Raises UnusableResponseError for a kind that is unknown."""
    entries = _field(fields, "entities")
    pairs = [_kind_and_value(entry) for entry in entries] if isinstance(entries, list) else [None]
    if None in pairs:
        raise UnusableResponseError(
            "the field 'entities' must be a list of objects, each with the texts 'kind' and 'value'"
        )
    known = [pair for pair in pairs if pair is not None]
    unknown = sorted({kind for kind, _ in known} - kinds)
    if unknown:
        raise UnusableResponseError(f"{unknown[0]!r} is not one of the kinds to find")
    return known


def _kind_and_value(entry: Any) -> tuple[str, str] | None:
    kind, value = (entry.get("kind"), entry.get("value")) if isinstance(entry, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(value, str) or len(value) > _MAX_VALUE_CHARACTERS:
        return None
    return kind.strip().lower(), value


def _find_position(value: str, text: str, taken: list[Entity]) -> tuple[int, int] | None:
    """Return the first position of a value in a text that overlaps no entity found before."""
    start = text.find(value) if value.strip() else -1
    while start >= 0:
        end = start + len(value)
        if all(end <= entity.start or entity.end <= start for entity in taken):
            return start, end
        start = text.find(value, start + 1)
    return None
