"""What of a message its writer wrote: without the mail that it answers and without the signature."""

import re

_QUOTED = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_REST = re.compile(
    r"^(?:-- ?$|-{2,}\s?(?:original message|ursprüngliche nachricht|message d'origine|forwarded message)"
    r"|on .{5,120} wrote:\s*$|am .{5,120} schrieb.{0,80}:\s*$|le .{5,120} a écrit ?:\s*$|_{20,}\s*$).*",
    re.MULTILINE | re.IGNORECASE | re.DOTALL,
)


def own_words(text: str) -> str:
    """The text without quoted lines, the quoted mail and the signature; all of it where nothing else is left."""
    kept = _QUOTED.sub("", _REST.sub("", text)).strip()
    return kept or text
