"""What the readers of files yield: tickets, and records that cannot become one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.service import KEY_LIMIT

IMPORTED_FIELDS = (
    "subject",
    "body",
    "requester",
    "idempotency_key",
    "created_at",
    "assignee",
    "tags",
    "status",
)
"""The fields of a ticket that a table can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTicket:
    """A ticket to create, or a reply to one.

    `place` is where it stands, such as "tickets.csv:7". `references` are the Message-IDs of the mails that a reply
    answers, the nearest last. `status` is "new" or "closed".
    """

    place: str
    ticket: NewTicket
    created_at: datetime | None = None
    assignee: str | None = None
    tags: tuple[str, ...] = ()
    status: Literal["new", "closed"] = "new"
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record that becomes no ticket, and why. `is_skipped`: it should not, such as an automatic reply."""

    place: str
    reason: str
    is_skipped: bool = False


Records = Iterator[ImportedTicket | Refused]


def make_key(*parts: str | None) -> str:
    """Return an idempotency key for content that has none: the same content gets the same key."""
    digest = sha256("\0".join(part or "" for part in parts).encode(errors="surrogatepass"))
    return f"sha256:{digest.hexdigest()}"


def shorten_key(key: str) -> str:
    """Return a key of the allowed length."""
    return key if len(key) <= KEY_LIMIT else make_key(key)
