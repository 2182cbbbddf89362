"""Ticket text is untrusted: it is fenced before a model reads it, and watched for orders to the machine."""

import os
import re
from functools import cache

LIMIT = 20_000
"""Characters of a ticket that are looked at, and that leave the machine at most."""

_SHOWN = 60  # characters of a suspicious passage that a reason quotes

_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_FENCE = re.compile(r"<{2,}/?\s*ticket[^<>\n]{0,80}>{2,}", re.IGNORECASE)

_OBJECTS = r"(?:instruction|prompt|rule|direction|guideline|order|message|context|anweisung|consigne|instruc|istruzion)"
_ORDERS = (
    rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b.{{0,40}}\b(?:previous|prior|above|earlier|preceding|all|your|the|any|system)\b.{{0,30}}{_OBJECTS}",
    rf"\b(?:ignorier|vergiss|missachte|oublie|ignore[rz]?|ignora|olvida|dimentica)\w*.{{0,40}}{_OBJECTS}",
    r"\b(?:system|developer|hidden|initial)\s+(?:prompt|message|instruction)",
    r"\b(?:reveal|print|repeat|show|output|leak|tell me)\b.{0,30}\b(?:your|the)\b.{0,20}(?:prompt|instructions)",
    r"\byou are (?:now|no longer)\b|\bact as (?:a|an|if|the)\b|\bpretend (?:to be|that you|you)\b|\bnew persona\b",
    r"\b(?:new|updated|additional|revised|important|real) (?:instructions?|orders?|task)\b\s*[:.]",
    r"\b(?:developer|debug|admin|god|dan|jailbreak) mode\b|\bjailbreak|\bdo anything now\b",
    r"<\|[a-z_]{2,20}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user|instructions?|ticket|prompt)>",
    r"^[ \t]*#{0,4}[ \t]*(?:system|assistant|developer)[ \t]*:",
    r"\b(?:set|mark|change|assign|classify|label|route|categori[sz]e|raise)\b.{0,40}\b(?:category|priority|team|sentiment|confidence|label|urgent)\b.{0,20}\b(?:to|as)\b",
    r"\b(?:category|priority|team|sentiment|confidence)[\"']?\s*[:=]\s*[\"']?\w",
    r"\b(?:respond|reply|answer|output|return|say)\b.{0,20}\b(?:only|exactly|with json|the following|verbatim)\b",
    r"\binclude\b.{0,40}\b(?:link|url)\b.{0,30}\b(?:reply|response|answer|draft)|\b(?:reply|response|answer|draft)\b.{0,30}\bmust (?:contain|include|say)\b",
    r"\b(?:to|for|dear|attention)\b.{0,8}\b(?:the )?(?:ai|llm|language model|chatbot|assistant|bot|model)\b.{0,20}[:,]",
    r"\bas an? (?:ai|language model|assistant)\b|\b(?:ai|language) model\b.{0,20}\bmust\b",
    r"<{2,}/?\s*ticket\b",
    r"\bend of (?:the )?(?:ticket|message|user input|text|document)\b",
)


def fenced(text: str) -> str:
    """The text, made harmless, between two lines that it cannot know: a new random mark each time."""
    mark = os.urandom(8).hex()
    inside = visible(text[:LIMIT])
    while (without := _FENCE.sub("", inside).replace(mark, "")) != inside:
        inside = without
    return f"<<<ticket {mark}>>>\n{inside}\n<<</ticket {mark}>>>"


def visible(text: str) -> str:
    """The text without characters that are not seen or are none: controls, direction marks, joiners, tags, halves."""
    return _CONTROL.sub(" ", _INVISIBLE.sub("", text.replace("\r\n", "\n")))


def suspicions(text: str) -> list[str]:
    """Why a text may be trying to instruct the machine; none is no proof of innocence."""
    head = text[:LIMIT]
    found = [f"the text has {len(hidden)} invisible characters"] if (hidden := _hidden(head)) else []
    order = _orders().search(visible(head))
    if order:
        quoted = " ".join(order[0].split())[:_SHOWN]
        found.append(f"the text may be trying to instruct the machine: {quoted}")
    return found


def _hidden(text: str) -> list[str]:
    """Invisible characters, less those that mail programs and emoji leave behind."""
    return [
        found
        for found in _INVISIBLE.findall(text)
        if found not in "\u00ad\u200b\u200c\u200d\u200e\u200f\ufeff"
    ]


@cache
def _orders() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{order})" for order in _ORDERS), re.IGNORECASE | re.MULTILINE | re.DOTALL)
