"""Make a ticket, or a reply, of one mail."""

import email
import re
from datetime import UTC, datetime
from email.errors import CloseBoundaryNotFoundDefect
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr, parsedate_to_datetime
from html.parser import HTMLParser

from ticketctl.errors import InvalidInputError
from ticketctl.tickets import service
from ticketctl.tickets.importing.records import ImportedTicket, Refused, make_key, shorten_key
from ticketctl.tickets.models import BODY_LIMIT, SUBJECT_LIMIT, NewTicket
from ticketctl.tickets.replies import strip_domain

SIZE_LIMIT = 30_000_000
"""Bytes of one mail. Mail servers commonly accept 25 MB before encoding."""
_NESTING_LIMIT = 100
"""Parts that contain parts: the parser's time grows with the number of open parts times the number of lines."""
_NESTED = re.compile(rb"^content-type:\s*(?:multipart/|message/)", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,998}>")
_CUT = "\n\n[cut: the mail is longer]"
_AUTOMATIC_HEADERS = ("x-autoreply", "x-autorespond", "x-auto-reply")
_AUTOMATIC_PRECEDENCE = frozenset({"auto_reply", "bulk", "junk"})


def parse_mail(raw: bytes, place: str, *, is_last: bool = False) -> ImportedTicket | Refused:
    """Return the ticket of a mail, or why it becomes none. `is_last`: the mail may be cut off where the file ends."""
    reason, is_skipped = _refuse_unread(raw), False
    try:
        if reason is None:
            message = email.message_from_bytes(raw, policy=default)
            automatic = find_automatic(message)
            if automatic is not None:
                reason, is_skipped = f"an automatic mail ({automatic})", True
            elif is_last and any(isinstance(one, CloseBoundaryNotFoundDefect) for one in message.defects):
                reason = "the mail is cut off: its last part does not end"
            else:
                return _to_ticket(message, place)
    except InvalidInputError as error:
        reason = str(error)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError) as error:
        # the standard library's parser raises many kinds of errors for malformed headers
        reason = f"the mail cannot be read: {type(error).__name__}: {error}"
    return Refused(place=place, reason=reason, is_skipped=is_skipped)


def _refuse_unread(raw: bytes) -> str | None:
    """Return why a mail is not even parsed, or None."""
    if len(raw) > SIZE_LIMIT:
        return f"the mail has more than {SIZE_LIMIT:,} bytes"
    if len(_NESTED.findall(raw)) > _NESTING_LIMIT:
        return f"the mail has more than {_NESTING_LIMIT} nested parts"
    return None


def find_automatic(message: EmailMessage) -> str | None:
    """Return the header that says that a program sent the mail (RFC 3834 and common practice), or None."""
    submitted = _header(message, "auto-submitted")
    if submitted and submitted.lower().split(";")[0].strip() != "no":
        return f"Auto-Submitted: {submitted}"
    for name in _AUTOMATIC_HEADERS:
        if value := _header(message, name):
            return f"{name}: {value}"
    precedence = _header(message, "precedence")
    if precedence.lower() in _AUTOMATIC_PRECEDENCE:
        return f"Precedence: {precedence}"
    if message.get_content_type() == "multipart/report":
        return "a delivery report"
    if _header(message, "return-path") == "<>":
        return "Return-Path: <>"
    return None


def _to_ticket(message: EmailMessage, place: str) -> ImportedTicket:
    text = _get_text(message)
    subject = " ".join(_header(message, "subject").split())
    if not subject and not text.strip():
        raise InvalidInputError("the mail has neither a subject nor text")
    subject = subject or " ".join(text.split())
    attachments = [_describe(part) for part in message.iter_attachments()] if message.is_multipart() else []
    listed = "".join(f"\n- {one}" for one in attachments)
    room = BODY_LIMIT - len(listed) - 100
    body = (text if len(text) <= room else text[:room] + _CUT) + (
        f"\n\nAttachments (not stored):{listed}" if attachments else ""
    )
    sender = parseaddr(_header(message, "from"))[1]
    ids = _MESSAGE_ID.findall(_header(message, "message-id"))
    ticket = NewTicket(
        subject=subject[:SUBJECT_LIMIT],
        body=body.strip()[:BODY_LIMIT],
        requester=sender if "@" in sender else None,
        idempotency_key=shorten_key(ids[0]) if ids else make_key(subject, body, sender),
    )
    service.check_ticket(ticket)
    answered = _MESSAGE_ID.findall(_header(message, "references") + " " + _header(message, "in-reply-to"))
    return ImportedTicket(
        place=place,
        ticket=ticket,
        created_at=_get_time(message),
        references=tuple(shorten_key(strip_domain(one)) for one in dict.fromkeys(answered)),
    )


def _header(message: EmailMessage, name: str) -> str:
    """Return a header's text without what the database cannot store; empty if there is none."""
    value = message.get(name)
    return "" if value is None else _clean(str(value)).strip()


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "").replace("\r\n", "\n")


def _get_text(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        content = part.get_content()
    except (LookupError, UnicodeError):  # an unknown character set
        payload = part.get_payload(decode=True)
        content = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    text = _clean(str(content))
    return _strip_markup(text) if part.get_content_subtype() == "html" else text.strip()


def parse_date(text: str) -> datetime | None:
    """Return the time of a Date header in UTC, or None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _get_time(message: EmailMessage) -> datetime | None:
    moment = parse_date(_header(message, "date"))
    return None if moment is None else min(moment, datetime.now(UTC))


def _describe(part: EmailMessage) -> str:
    name = " ".join(_clean(part.get_filename() or "unnamed").split())[:200]
    payload = part.get_payload(decode=True)
    size = f", {len(payload):,} bytes" if isinstance(payload, bytes) else ""
    return f"{name} ({part.get_content_type()}{size})"


class _TextOfHtml(HTMLParser):
    """Collects the text of a page, with line breaks where blocks end."""

    _BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "blockquote", "table"})
    _HIDDEN = frozenset({"script", "style", "head", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - as HTMLParser calls it
        self._hidden += tag in self._HIDDEN
        if tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self._HIDDEN))
        if tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _strip_markup(html: str) -> str:
    parser = _TextOfHtml()
    parser.feed(html)
    parser.close()
    lines = [" ".join(line.split()) for line in "".join(parser.parts).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
