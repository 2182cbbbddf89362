"""What a draft may name: links, addresses and amounts of the ticket or of the desk's own templates, no others."""

import re
from functools import cache

from ticketctl.ai.offline.extraction import found
from ticketctl.ai.taxonomy.schema import Taxonomy

_NUMBERS = frozenset({"money", "phone", "ip", "iban", "card"})
_LINK = (
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|(?:mailto|tel|sms|data|javascript):)[^\s<>\"'`)\]\u201c\u201d\u2019\u00bb]+"
    r"|(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?:[:/][^\s<>\"'`)\]\u201c\u201d\u2019\u00bb]*)?"
)
_ADDRESS = r"[^\s<>()\[\]\"',;:\u201c\u201d]{1,64}@[^\s<>()\[\]\"',;:\u201c\u201d]{1,255}"


def foreign(draft: str, ticket: str, taxonomy: Taxonomy) -> list[str]:
    """What the draft names and neither the ticket nor the desk does: links, hosts, addresses, amounts, numbers."""
    own = _plain("\n".join((ticket, *_templates(taxonomy), *taxonomy.reply.allow)))
    numbers = [draft[entity.start : entity.end] for entity in found(draft, kinds=_NUMBERS)]
    named = [*_names().findall(draft), *numbers]
    return [name for name in named if not _known(_plain(name), own, taxonomy.reply.allow)]


def _known(name: str, own: str, allow: tuple[str, ...]) -> bool:
    """Whether it stands there as a whole; a host on the list stands for every page on it."""
    name = name.rstrip(".,;:!?")
    if re.search(rf"(?<![\w@.-]){re.escape(name)}(?![\w@-]|[./]\w)", own):
        return True
    host = re.match(r"(?:https?://)?([^/:?#@\\]+)(?:[/?#].*)?$", name)
    return bool(host) and any(_plain(entry) == host[1] for entry in allow if host)


def _plain(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").lower().split())


def _templates(taxonomy: Taxonomy) -> list[str]:
    replies = [text for c in taxonomy.categories for text in (c.reply, *c.replies.values())]
    return [taxonomy.reply.default, *replies]


@cache
def _names() -> re.Pattern[str]:
    return re.compile(f"{_ADDRESS}|{_LINK}", re.IGNORECASE)
