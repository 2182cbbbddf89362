"""Approved replies as mails: any mailer can send them, and answers to them find their tickets."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
from typing import Protocol

from ticketctl.errors import InvalidInputError

_OWN_ID = re.compile(r"(<ticketctl-[0-9]+-[0-9a-f]{16})@")
"""The Message-ID of a reply, as far as it does not depend on who sends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An approved reply that was not sent. `message_id` has no domain; `answered` are the mails that it answers."""

    ticket_id: int
    subject: str
    requester: str | None
    text: str
    message_id: str
    answered: list[str]


class ReplyStore(Protocol):
    """Reads replies. Raises DatabaseError."""

    def list_unsent(self, ticket_ids: Sequence[int] | None = None) -> AsyncIterator[Reply]:
        """Yield the approved replies that were not sent, of these tickets or of all, by ticket."""


def build_mail(reply: Reply, sender: str, *, now: datetime) -> EmailMessage:
    """Return the mail of a reply. Raise InvalidInputError if the requester's address is not exactly one."""
    message = EmailMessage(policy=default)
    message["From"] = parse_address(sender)
    message["To"] = parse_address(reply.requester or "")
    is_reply = reply.subject.lower().startswith("re:")
    message["Subject"] = " ".join((reply.subject if is_reply else f"Re: {reply.subject}").split())
    message["Date"] = format_datetime(now)
    domain = message["From"].addresses[0].domain
    message["Message-ID"] = reply.message_id.replace(">", f"@{domain}>")
    answered = [one for one in reply.answered if re.fullmatch(r"<[!-;=?-~]{1,253}>", one)]
    if answered:
        message["In-Reply-To"] = answered[-1]
        message["References"] = " ".join(answered[-20:])
    message["X-Ticketctl-Ticket"] = str(reply.ticket_id)
    message.set_content(reply.text if reply.text.endswith("\n") else reply.text + "\n")
    return message


def parse_address(text: str) -> Address:
    """Return the only address of a text. Raise InvalidInputError: a list would send the mail to several people."""
    try:
        header = default.header_factory("to", text)
        if len(header.addresses) == 1 and not header.defects and header.addresses[0].domain:
            address: Address = header.addresses[0]
            return address
    except (ValueError, IndexError, AttributeError, TypeError):
        pass  # the standard library's parser raises many kinds of errors for malformed addresses
    raise InvalidInputError(f"{text!r} is not one e-mail address", hint="it looks like ada@example.com")


def strip_domain(message_id: str) -> str:
    """Return the Message-ID of one of our replies without its domain, and any other one as it is."""
    own = _OWN_ID.match(message_id)
    return f"{own[1]}>" if own else message_id
