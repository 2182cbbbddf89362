"""The service for reviewers, with the words, the routing rules and the reply templates of the taxonomy."""

from functools import partial

from ticketctl.ai.offline.drafting import fill_draft
from ticketctl.ai.providers.factory import load_taxonomy
from ticketctl.ai.taxonomy.validation import list_field_values
from ticketctl.settings import Settings
from ticketctl.tickets.decisions import DecisionStore
from ticketctl.tickets.protocols import TicketStore
from ticketctl.tickets.review import ReviewService


def make_review_service(tickets: TicketStore, decisions: DecisionStore, settings: Settings) -> ReviewService:
    """Return the service for reviewers. Raise ConfigError for a wrong taxonomy."""
    taxonomy = load_taxonomy(settings)
    return ReviewService(
        tickets=tickets,
        decisions=decisions,
        router=taxonomy,
        allowed=list_field_values(taxonomy),
        fill_draft=partial(fill_draft, taxonomy),
    )
