"""Draft the offline reply: the category's template, filled with values from the ticket."""

import re

from ticketctl.ai import reply_templates
from ticketctl.ai.offline.extraction import mask_secrets
from ticketctl.ai.taxonomy.schema import Taxonomy
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Ticket

_QUOTATION_MARKS = {"de": "\u201e\u201c", "fr": "\u00ab\u00bb", "es": "\u00ab\u00bb", "it": "\u00ab\u00bb"}
_REPLY_PREFIXES = re.compile(r"(?i)(?:(?:re|fwd?|aw|wg|antw|tr|rv|enc|sv|r|i) ?: ?)+")
_MIN_TOPIC, _MAX_TOPIC = 4, 80  # characters: "x" says nothing, and a long subject is no phrase
_MAX_NAME_WORDS = 4


def fill_draft(
    taxonomy: Taxonomy, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
) -> Draft:
    """Return the category's template with its placeholders filled; a kind stands for its first entity.

    The draft is empty if the taxonomy has no template for the language.
    """
    template = taxonomy.reply_template(classification.category, classification.language)
    if not template:
        return Draft(text="", method="none")
    values: dict[str, str | None] = {entity.kind: entity.value for entity in reversed(extraction.entities)}
    subject = mask_secrets(" ".join(ticket.subject.split()))
    values |= {
        "ticket_id": str(ticket.id),
        "subject": subject,
        "topic": _quote_topic(subject, classification.language),
        "requester": ticket.requester,
        "name": _find_name(ticket.requester or ""),
        "category": classification.category,
        "priority": classification.priority,
        "language": classification.language,
        "team": route.team,
    }
    return Draft(text=reply_templates.fill_template(template, values).strip() + "\n", method="template")


def _quote_topic(subject: str, language: str) -> str | None:
    """Return the subject in the quotation marks of the language, or None if it says nothing."""
    topic = _REPLY_PREFIXES.sub("", subject, count=1).strip(" .!?:\"'")
    if not _MIN_TOPIC <= len(topic) <= _MAX_TOPIC or not any(map(str.isalpha, topic)):
        return None
    left, right = tuple(_QUOTATION_MARKS.get(language, "\u201c\u201d"))
    space = "\u00a0" if language == "fr" else ""
    return f"{left}{space}{topic}{space}{right}"


def _find_name(requester: str) -> str | None:
    """Return the name in a requester such as "Ada Byron <ada@example.com>", or None if there is only an address."""
    name = " ".join(requester.partition("<")[0].strip(" \"'").split())
    words = name.split(" ")
    is_name = all(
        re.fullmatch(r"[^\W\d_][^\W\d_.'\u2019-]*\.?(?:[-'\u2019][^\W\d_]+)*", word) for word in words
    )
    return name if is_name and len(words) <= _MAX_NAME_WORDS else None
