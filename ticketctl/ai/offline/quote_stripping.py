"""Remove quoted mail and signatures, so that only the text of the sender is classified."""

import re

_QUOTED = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_TRAILER = re.compile(
    r"^(?:-- ?$|-{2,}\s?(?:original message|ursprüngliche nachricht|message d'origine|forwarded message)"
    r"|on .{5,120} wrote:\s*$|am .{5,120} schrieb.{0,80}:\s*$|le .{5,120} a écrit ?:\s*$|_{20,}\s*$).*",
    re.MULTILINE | re.IGNORECASE | re.DOTALL,
)


def strip_quotes(text: str) -> str:
    """Return the text without quoted lines, quoted mail and signature; the whole text if nothing else is left."""
    own = _QUOTED.sub("", _TRAILER.sub("", text)).strip()
    return own or text
