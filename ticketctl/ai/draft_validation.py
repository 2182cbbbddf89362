"""Check that a draft mentions only links, addresses and numbers of the ticket or of the taxonomy's replies."""

import re
from functools import cache

from ticketctl.ai.offline.extraction import find_entities
from ticketctl.ai.taxonomy.schema import Taxonomy

_CHECKED_KINDS = frozenset({"money", "phone", "ip", "iban", "card"})
_LINK = (
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|(?:mailto|tel|sms|data|javascript):)[^\s<>\"'`)\]\u201c\u201d\u2019\u00bb]+"
    r"|(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?:[:/][^\s<>\"'`)\]\u201c\u201d\u2019\u00bb]*)?"
)
_ADDRESS = r"[^\s<>()\[\]\"',;:\u201c\u201d]{1,64}@[^\s<>()\[\]\"',;:\u201c\u201d]{1,255}"


def find_ungrounded_references(draft: str, ticket: str, taxonomy: Taxonomy) -> list[str]:
    """Return the links, hosts, addresses, amounts and numbers that neither the ticket nor the taxonomy mentions."""
    allowed = _normalize("\n".join((ticket, *_reply_templates(taxonomy), *taxonomy.reply.allow)))
    numbers = [draft[entity.start : entity.end] for entity in find_entities(draft, kinds=_CHECKED_KINDS)]
    references = [*_reference_pattern().findall(draft), *numbers]
    return [
        reference
        for reference in references
        if not _is_grounded(_normalize(reference), allowed, taxonomy.reply.allow)
    ]


def _is_grounded(reference: str, allowed: str, allow: tuple[str, ...]) -> bool:
    """Whether the allowed text contains the whole reference; an allowed host covers every page on it."""
    reference = reference.rstrip(".,;:!?")
    if re.search(rf"(?<![\w@.-]){re.escape(reference)}(?![\w@-]|[./]\w)", allowed):
        return True
    host = re.match(r"(?:https?://)?([^/:?#@\\]+)(?:[/?#].*)?$", reference)
    return bool(host) and any(_normalize(entry) == host[1] for entry in allow if host)


def _normalize(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").lower().split())


def _reply_templates(taxonomy: Taxonomy) -> list[str]:
    replies = [text for c in taxonomy.categories for text in (c.reply, *c.replies.values())]
    return [taxonomy.reply.default, *replies]


@cache
def _reference_pattern() -> re.Pattern[str]:
    return re.compile(f"{_ADDRESS}|{_LINK}", re.IGNORECASE)
