"""Draft the offline reply: the category's template, filled with values from the ticket."""

from ticketctl.ai import reply_templates
from ticketctl.ai.offline.extraction import mask_secrets
from ticketctl.ai.taxonomy.schema import Taxonomy
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Ticket


def fill_draft(
    taxonomy: Taxonomy, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
) -> Draft:
    """Return the category's template with its placeholders filled; a kind stands for its first entity."""
    values: dict[str, str | None] = {entity.kind: entity.value for entity in reversed(extraction.entities)}
    values |= {
        "ticket_id": str(ticket.id),
        "subject": mask_secrets(" ".join(ticket.subject.split())),
        "requester": ticket.requester,
        "category": classification.category,
        "priority": classification.priority,
        "language": classification.language,
        "team": route.team,
    }
    template = taxonomy.reply_template(classification.category, classification.language)
    return Draft(text=reply_templates.fill_template(template, values).strip() + "\n", method="template")
