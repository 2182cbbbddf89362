"""Prepare untrusted ticket text for a model: remove invisible characters and fence the text."""

import os
import re
from typing import Literal

from ticketctl.ai.normalization import INVISIBLE

MAX_CHARACTERS = 20_000
"""The most characters of a ticket that are classified, searched for entities or sent to a provider."""

_HARMLESS = (
    "\u00ad\u034f\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f\u115f\u1160\u3164\uffa0\u2800"
)
"""Invisible characters that mail programs, emoji and joining scripts use."""
_INVISIBLE = f"[{INVISIBLE}]"
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
_FENCE = r"(?i)(?<!<)<{2,}/?\s*+(?:ticket|examples)[^<>\n]{0,80}>{2,}"
_NEUTRALIZED = "<removed>"  # its brackets keep what stood around a removed line from forming another one


def fence(text: str, name: Literal["ticket", "examples"] = "ticket") -> str:
    """Return the sanitized text between two delimiter lines with a random token that the text cannot contain."""
    token = os.urandom(8).hex()
    body = remove_fences(text[:MAX_CHARACTERS]).replace(token, "")
    return f"<<<{name} {token}>>>\n{body}\n<<</{name} {token}>>>"


def remove_fences(text: str) -> str:
    """Return the text without invisible characters and without anything that looks like a delimiter line."""
    return re.sub(_FENCE, _NEUTRALIZED, strip_invisible(text))


def strip_invisible(text: str) -> str:
    """Return the text without controls, direction marks, joiners, tag characters and lone surrogates."""
    text = text.replace("\r\n", "\n")
    return re.sub(_CONTROL, " ", text if text.isascii() else re.sub(_INVISIBLE, "", text))


def count_suspicious_invisible(text: str) -> int:
    """Return the number of invisible characters, except those that ordinary programs insert."""
    return 0 if text.isascii() else sum(found not in _HARMLESS for found in re.findall(_INVISIBLE, text))
