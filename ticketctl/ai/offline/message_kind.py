"""Tell what is no ticket: bounces, automatic replies, spam and thank-you notes."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ticketctl.ai.taxonomy.schema import MessageKind

_FIRST_WORDS = 60  # a customer who quotes a bounce says something before it
_REPLY_PREFIX = re.compile(r" (?:(?:re|aw|fwd?|wg|tr|rv|sv|antw|r|i) )*")
_WORD = re.compile(r"\w+")
_CACHED_PHRASES = 64  # sets of phrases: a taxonomy has four for each kind


class _PaddedMessage(NamedTuple):
    """A message as padded words: the subject without "Re:", all of the body, and the first words of the body."""

    subject: str
    body: str
    start: str

    @property
    def whole(self) -> str:
        """The subject and the body."""
        return self.subject.rstrip() + self.body


def detect_message_kind(text: str, kinds: Iterable[MessageKind]) -> MessageKind | None:
    """Return the first kind that fits the message, or None if it is a ticket. The first line is the subject."""
    subject, _, body = text.partition("\n")
    words = _pad(body)
    message = _PaddedMessage(
        subject=_REPLY_PREFIX.sub(" ", _pad(subject), count=1),
        body=words,
        start=" ".join(words.split(" ", _FIRST_WORDS)[:_FIRST_WORDS]) + " ",
    )
    return next((kind for kind in kinds if _matches(kind, message, body)), None)


def _matches(kind: MessageKind, message: _PaddedMessage, body: str) -> bool:
    if message.subject.startswith(_pad_all(kind.subjects)):
        return True
    if kind.max_words is not None and message.body.count(" ") > kind.max_words:
        return False
    for word, padded in zip(kind.unless, _pad_all(kind.unless), strict=True):
        if (padded in message.body) if word[-1].isalnum() else (word in body):
            return False
    for phrase in _pad_all(kind.phrases):
        if phrase in message.start:
            return True
    whole = message.whole
    return len([cue for cue in _pad_all(kind.cues) if cue in whole]) >= kind.min_cues


@lru_cache(maxsize=_CACHED_PHRASES)
def _pad_all(phrases: tuple[str, ...]) -> tuple[str, ...]:
    """Pad the phrases of a taxonomy, once: every message is compared with all of them."""
    return tuple(map(_pad, phrases))


def _pad(text: str) -> str:
    """Return the lower-case words with exactly one space on either side of each."""
    words = " ".join(_WORD.findall(text.lower()))
    return f" {words} "
