"""Tell what is no ticket: bounces, automatic replies, spam and thank-you notes."""

import re
from collections.abc import Iterable

from ticketctl.ai.taxonomy.schema import MessageKind

_FIRST_WORDS = 60  # a customer who quotes a bounce says something before it
_REPLY_PREFIX = r"(?:(?:re|aw|fwd?|wg|tr|rv|sv|antw|r|i) )*"


def detect_message_kind(text: str, kinds: Iterable[MessageKind]) -> MessageKind | None:
    """Return the first kind that fits the message, or None if it is a ticket. The first line is the subject."""
    subject, _, body = text.partition("\n")
    return next((kind for kind in kinds if _matches(kind, subject, body)), None)


def _matches(kind: MessageKind, subject: str, body: str) -> bool:
    own_subject = re.sub(rf"^ {_REPLY_PREFIX}", " ", _pad(subject))
    if any(own_subject.startswith(_pad(phrase)) for phrase in kind.subjects):
        return True
    words = _pad(body)
    if kind.max_words is not None and words.count(" ") > kind.max_words:
        return False
    if any(word in body if not word[-1].isalnum() else _pad(word) in words for word in kind.unless):
        return False
    start = " ".join(words.split(" ", _FIRST_WORDS)[:_FIRST_WORDS]) + " "
    whole = own_subject.rstrip() + words
    return any(_pad(phrase) in start for phrase in kind.phrases) or (
        sum(_pad(cue) in whole for cue in kind.cues) >= kind.min_cues
    )


def _pad(text: str) -> str:
    """Return the lower-case words with exactly one space on either side of each."""
    words = " ".join(re.findall(r"\w+", text.lower()))
    return f" {words} "
