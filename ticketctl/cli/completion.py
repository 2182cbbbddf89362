"""Values that the shell completes: words of the configured taxonomy, and tickets of the database.

A completion that fails completes nothing: the shell shows no errors while a command is being typed.
"""

from contextlib import suppress

_SEARCHED = 200
"""Newest tickets that are read."""
_LIMIT = 50
"""Tickets that are offered at most."""
_SECONDS = 1.0
"""Time to wait for the database: a person waits for the shell meanwhile."""
_HELP_LENGTH = 40


def list_categories() -> list[str]:
    """Return the categories of the configured taxonomy."""
    return _words("categories")


def list_priorities() -> list[str]:
    """Return the priorities of the configured taxonomy."""
    return _words("priorities")


def list_teams() -> list[str]:
    """Return the teams of the configured taxonomy."""
    return _words("teams")


def list_ticket_ids(incomplete: str) -> list[tuple[str, str]]:
    """Return the newest tickets whose number begins with `incomplete`, each with its status and subject.

    An embedded server that does not run is not started for this.
    """
    with suppress(Exception):
        return _read_tickets(incomplete)
    return []


def _words(name: str) -> list[str]:
    from ticketctl.ai.providers.factory import load_taxonomy
    from ticketctl.cli.resources import load_settings

    with suppress(Exception):
        return [one.name for one in getattr(load_taxonomy(load_settings()), name)]
    return []


def _read_tickets(incomplete: str) -> list[tuple[str, str]]:
    from ticketctl.cli.resources import load_settings, run_on
    from ticketctl.runtime import embedded_server, open_database, open_store
    from ticketctl.tickets.filters import TicketFilter
    from ticketctl.tickets.protocols import TicketPage, TicketStore

    settings = load_settings(connect_timeout=_SECONDS, store_timeout=_SECONDS)
    if settings.database_url is None and not embedded_server(settings).is_running:
        return []

    async def work(store: TicketStore) -> TicketPage:
        return await store.list(TicketFilter(), sort="-created", limit=_SEARCHED, after=None, count=False)

    with open_database(settings) as opened:
        page = run_on(opened, open_store, work)
    matching = [ticket for ticket in page.tickets if str(ticket.id).startswith(incomplete)]
    return [(str(ticket.id), f"{ticket.status} {_safe(ticket.subject)}") for ticket in matching[:_LIMIT]]


def _safe(text: str) -> str:
    """Return the letters and digits of a subject: zsh evaluates what it is offered as code."""
    kept = "".join(character if character.isalnum() else " " for character in text)
    return " ".join(kept.split())[:_HELP_LENGTH]
