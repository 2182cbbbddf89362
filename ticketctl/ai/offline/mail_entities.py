"""Extract entities from the sender's own words only, each with its place in the original mail."""

from collections.abc import Iterator
from dataclasses import replace

from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.offline.html_text import html_to_text, is_html
from ticketctl.ai.offline.mail_text import find_own_spans
from ticketctl.ai.taxonomy.schema import Identifier
from ticketctl.tickets.models import Entity, Extraction


def extract_from_mail(text: str, identifiers: tuple[Identifier, ...]) -> Extraction:
    """Return the entities of a ticket's text, without those of quoted mail, signatures and disclaimers."""
    subject, separator, body = text.partition("\n\n")
    if not (separator and is_html(body)):
        return Extraction(entities=tuple(_own_entities(text, identifiers)))
    shown = f"{subject}\n\n{html_to_text(body)}"
    return Extraction(entities=tuple(_locate(_own_entities(shown, identifiers), shown, text)))


def _own_entities(text: str, identifiers: tuple[Identifier, ...]) -> Iterator[Entity]:
    spans = iter(find_own_spans(text))
    start, end = next(spans)
    for entity in extract(text, identifiers).entities:
        while entity.start > end:
            following = next(spans, None)
            if following is None:
                return
            start, end = following
        if start <= entity.start:
            yield entity


def _locate(entities: Iterator[Entity], shown: str, original: str) -> Iterator[Entity]:
    """Yield the entities with their places in the original HTML; those that its markup divides are left out."""
    position = 0
    for entity in entities:
        value = shown[entity.start : entity.end]
        start = original.find(value, position)
        if start >= 0:
            position = start + len(value)
            yield replace(entity, start=start, end=position)
