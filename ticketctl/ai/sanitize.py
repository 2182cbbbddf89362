"""Prepare untrusted ticket text for a model: remove invisible characters and fence the text."""

import os
import re

MAX_CHARACTERS = 20_000
"""The most characters of a ticket that are classified or sent to a provider."""

_INVISIBLE = "[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
_HARMLESS = "\u00ad\u200b\u200c\u200d\u200e\u200f\ufeff"  # used by mail programs, emoji and joining scripts
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
_FENCE = r"(?i)<{2,}/?\s*ticket[^<>\n]{0,80}>{2,}"


def fence(text: str) -> str:
    """Return the sanitized text between two delimiter lines with a random token that the text cannot contain."""
    token = os.urandom(8).hex()
    body = strip_invisible(text[:MAX_CHARACTERS])
    while (stripped := re.sub(_FENCE, "", body).replace(token, "")) != body:
        body = stripped
    return f"<<<ticket {token}>>>\n{body}\n<<</ticket {token}>>>"


def strip_invisible(text: str) -> str:
    """Return the text without controls, direction marks, joiners, tag characters and lone surrogates."""
    shown = text.replace("\r\n", "\n")
    return re.sub(_CONTROL, " ", shown if shown.isascii() else re.sub(_INVISIBLE, "", shown))


def count_suspicious_invisible(text: str) -> int:
    """Return the number of invisible characters, except those that ordinary programs insert."""
    return (
        0 if text.isascii() else sum(character not in _HARMLESS for character in re.findall(_INVISIBLE, text))
    )
