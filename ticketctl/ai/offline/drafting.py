"""The offline reply: a template with the ticket's own words in its placeholders."""

from ticketctl.ai import reply_templates
from ticketctl.ai.offline.extraction import without_secrets
from ticketctl.ai.taxonomy.schema import Taxonomy
from ticketctl.tickets.models import Classification, Draft, Extraction, Route, Ticket


def drafted(
    taxonomy: Taxonomy, ticket: Ticket, classification: Classification, extraction: Extraction, route: Route
) -> Draft:
    """The category's template, filled in; the first entity of each kind stands for its kind."""
    values: dict[str, str | None] = {entity.kind: entity.value for entity in reversed(extraction.entities)}
    values |= {
        "ticket_id": str(ticket.id),
        "subject": without_secrets(" ".join(ticket.subject.split())),
        "requester": ticket.requester,
        "category": classification.category,
        "priority": classification.priority,
        "language": classification.language,
        "team": route.team,
    }
    template = taxonomy.template(classification.category, classification.language)
    return Draft(text=reply_templates.fill(template, values).strip() + "\n", method="template")
