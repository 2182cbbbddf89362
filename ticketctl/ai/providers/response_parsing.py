"""Reads what a model answered: against the closed vocabulary, and against the ticket's own words."""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ticketctl.ai.draft_validation import find_ungrounded_references
from ticketctl.ai.offline.extraction import MASKED_KINDS, MAX_ENTITIES, find_entities
from ticketctl.ai.redaction import RedactedText
from ticketctl.ai.sanitize import strip_invisible
from ticketctl.ai.taxonomy.schema import NO_CATEGORY, SENTIMENTS, Taxonomy
from ticketctl.tickets.models import Classification, Draft, Entity, Extraction

LONGEST_REPLY = 5_000
"""Characters that a draft may have."""


class UnusableResponseError(Exception):
    """An answer that cannot be used; its text tells the model why."""


class _Found(msgspec.Struct, frozen=True):
    kind: str
    value: Annotated[str, Meta(max_length=2_000)]


class _Entities(msgspec.Struct, frozen=True):
    entities: list[_Found]


class _Reply(msgspec.Struct, frozen=True):
    reply: Annotated[str, Meta(min_length=1, max_length=LONGEST_REPLY)]


def parse_classification(answer: str, taxonomy: Taxonomy) -> Classification:
    """The classification in an answer. Raises UnusableResponseError for anything outside the taxonomy."""
    names = tuple(category.name for category in taxonomy.categories)
    priorities = tuple(priority.name for priority in taxonomy.priorities)
    said = msgspec.structs.asdict(_decoded(answer, _classified(names, priorities)))
    category = None if said["category"] == NO_CATEGORY else said["category"]
    confidence = said["confidence"] if category else 0.0
    return Classification(
        **{**said, "category": category, "confidence": confidence},
        method="model",
        review=tuple(taxonomy.review_reasons(category, confidence)),
    )


def parse_extraction(answer: str, taxonomy: Taxonomy, text: str, redacted: RedactedText) -> Extraction:
    """The entities in an answer, each at its place in the ticket's text.

    What does not stand there to the letter is dropped, what our own patterns know as secret is masked.
    Raises UnusableResponseError for an unknown kind.
    """
    entities = _decoded(answer, _Entities).entities
    unknown = sorted({entity.kind for entity in entities} - taxonomy.entity_kinds())
    if unknown:
        raise UnusableResponseError(f"{unknown[0]!r} is no kind of value that was asked for")
    kept = find_entities(text, kinds=MASKED_KINDS)
    for entity in entities[:MAX_ENTITIES]:
        place = _place(redacted.restore_exactly(entity.value), text, kept)
        if place and entity.kind not in MASKED_KINDS:
            start, end = place
            kept.append(Entity(kind=entity.kind, value=text[start:end], start=start, end=end))
    return Extraction(entities=tuple(sorted(kept, key=lambda entity: entity.start)[:MAX_ENTITIES]))


def parse_draft(answer: str, taxonomy: Taxonomy, text: str, redacted: RedactedText) -> Draft:
    """The draft in an answer. Raises UnusableResponseError where it names what neither ticket nor templates name."""
    reply = strip_invisible(_decoded(answer, _Reply).reply).strip()
    if unknown := redacted.unknown_placeholders(reply):
        raise UnusableResponseError(f"{unknown[0]} stands for nothing")
    reply = redacted.restore(reply)
    if strange := find_ungrounded_references(reply, text, taxonomy):
        raise UnusableResponseError(
            f"{strange[0]!r} stands neither in the ticket nor among what a reply may name"
        )
    if not reply:
        raise UnusableResponseError("the reply is empty")
    return Draft(text=f"{reply}\n", method="model")


def _decoded(answer: str, kind: type[Any]) -> Any:
    """The one JSON object in an answer, with or without a code block, thoughts or words around it."""
    answer = re.sub(r"<think>.*?</think>", "", answer, flags=re.DOTALL)
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start or answer.lstrip().startswith("["):
        raise UnusableResponseError("the answer holds no JSON object")
    try:
        return msgspec.json.decode(answer[start : end + 1].encode(), type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UnusableResponseError(f"the answer cannot be used: {error}") from None


@lru_cache(maxsize=4)
def _classified(names: tuple[str, ...], priorities: tuple[str, ...]) -> type[msgspec.Struct]:
    """The closed vocabulary as a type; numbers that are not finite are no JSON, and fail."""
    return msgspec.defstruct(
        "Classified",
        [
            ("category", Literal[(*names, NO_CATEGORY)]),
            ("priority", Literal[priorities]),
            ("sentiment", Literal[SENTIMENTS]),
            ("language", Annotated[str, Meta(pattern="^[a-z]{2,3}$")]),
            ("confidence", Annotated[float, Meta(ge=0, le=1)]),
        ],
        frozen=True,
    )


def _place(value: str, text: str, taken: list[Entity]) -> tuple[int, int] | None:
    """The first place where a value stands in a text and nothing else was found."""
    start = text.find(value) if value.strip() else -1
    while start >= 0:
        end = start + len(value)
        if all(end <= entity.start or entity.end <= start for entity in taken):
            return start, end
        start = text.find(value, start + 1)
    return None
