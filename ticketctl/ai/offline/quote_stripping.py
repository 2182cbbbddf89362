"""Remove quoted mail and signatures, so that only the text of the sender is classified."""

import re
from itertools import pairwise

_SIGNATURE = r"-- ?|_{20,}\s*"
_SEPARATOR = r"(?i)-{2,}\s?(?:original message|ursprüngliche nachricht|message d'origine|forwarded message)"
_INTRODUCTION = r"(?i)(?:on .{5,120} wrote|am .{5,120} schrieb.{0,80}|le .{5,120} a écrit) ?:\s*"
_MAX_INTRODUCTION = 250  # characters of "On ... wrote:"; mail programs break it into two lines


def strip_quotes(text: str) -> str:
    """Return the text without quoted lines, quoted mail and signature; the whole text if nothing else is left."""
    own = []
    for line, following in pairwise([*text.split("\n"), ""]):
        if _begins_quoted_mail(line, following):
            break
        own.append("" if line.lstrip(" \t").startswith(">") else line)
    return "\n".join(own).strip() or text


def _begins_quoted_mail(line: str, following: str) -> bool:
    """Tell whether a signature or a quoted mail begins with this line."""
    if re.fullmatch(_SIGNATURE, line) or re.match(_SEPARATOR, line):
        return True
    if not line[:3].lower().startswith(("on ", "am ", "le ")) or len(line) > _MAX_INTRODUCTION:
        return False
    both = f"{line} {following[:_MAX_INTRODUCTION]}"
    return any(re.fullmatch(_INTRODUCTION, candidate) is not None for candidate in (line, both))
