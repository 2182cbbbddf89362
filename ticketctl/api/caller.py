"""Who sends a request, as the history names them, and which state of a ticket they saw."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Header, Request

from ticketctl.errors import InvalidInputError
from ticketctl.tickets import decisions
from ticketctl.tickets.decisions import NAME_LIMIT
from ticketctl.tickets.history import Actor


class Caller:
    """Who changes a ticket, and what they saw before: the headers `Ticketctl-User` and `If-Match`."""

    def __init__(
        self,
        request: Request,
        user: Annotated[
            str | None,
            Header(
                alias="Ticketctl-User",
                description="Who changes the ticket, for its history. Default: the name of the token.",
                json_schema_extra={"maxLength": NAME_LIMIT},
            ),
        ] = None,
        if_match: Annotated[
            str | None,
            Header(
                alias="If-Match",
                description="`updated_at` of the ticket that you saw: 409 if it was changed since.",
                json_schema_extra={"examples": ['"2026-01-31T12:00:00Z"']},
            ),
        ] = None,
    ) -> None:
        owner = request.state.key_owner
        self.actor = Actor.person(user or (f"token {owner[:8]}" if owner else "api"))
        if user is not None:
            decisions.check_name("user", user)
        self.seen = _parse_time(if_match)


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().strip('"'))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInputError("If-Match is not the updated_at of a ticket", hint="send it as GET returns it")


By = Annotated[Caller, Depends()]
