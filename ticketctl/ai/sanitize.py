"""Ticket text is untrusted: it is fenced before a model reads it, and what is not seen is taken out."""

import os
import re

LIMIT = 20_000
"""Characters of a ticket that are looked at, and that leave the machine at most."""

_INVISIBLE = "[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
_LEFT_BEHIND = "\u00ad\u200b\u200c\u200d\u200e\u200f\ufeff"  # by mail programs, emoji and scripts that join
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
_FENCE = r"(?i)<{2,}/?\s*ticket[^<>\n]{0,80}>{2,}"


def fenced(text: str) -> str:
    """The text, made harmless, between two lines that it cannot know: a new random mark each time."""
    mark = os.urandom(8).hex()
    inside = visible(text[:LIMIT])
    while (without := re.sub(_FENCE, "", inside).replace(mark, "")) != inside:
        inside = without
    return f"<<<ticket {mark}>>>\n{inside}\n<<</ticket {mark}>>>"


def visible(text: str) -> str:
    """The text without characters that are not seen or are none: controls, direction marks, joiners, tags, halves."""
    shown = text.replace("\r\n", "\n")
    return re.sub(_CONTROL, " ", shown if shown.isascii() else re.sub(_INVISIBLE, "", shown))


def invisible(text: str) -> int:
    """How many characters of a text are not seen, beside those that honest programs leave behind."""
    return 0 if text.isascii() else sum(found not in _LEFT_BEHIND for found in re.findall(_INVISIBLE, text))
