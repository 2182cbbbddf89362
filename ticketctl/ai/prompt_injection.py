"""Detect text that tries to give instructions to a language model."""

import re
from functools import cache

from ticketctl.ai.sanitize import MAX_CHARACTERS, count_suspicious_invisible, strip_invisible

_MAX_QUOTE = 60  # characters of a suspicious passage that a reason quotes

_OBJECTS = r"(?:instruction|prompt|rule|direction|guideline|order|message|context|anweisung|consigne|instruc|istruzion)"
_PATTERNS = (
    (
        "ignore disregard forget override bypass skip",
        rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b.{{0,40}}\b(?:previous|prior|above|earlier|preceding|all|your|the|any|system)\b.{{0,30}}{_OBJECTS}",
    ),
    (
        "ignorier vergiss missachte oublie ignor olvida dimentica",
        rf"\b(?:ignorier|vergiss|missachte|oublie|ignore[rz]?|ignora|olvida|dimentica)\w*.{{0,40}}{_OBJECTS}",
    ),
    (
        "system developer hidden initial",
        r"\b(?:system|developer|hidden|initial)\s++(?:prompt|message|instruction)",
    ),
    (
        "prompt instructions",
        r"\b(?:reveal|print|repeat|show|output|leak|tell me)\b.{0,30}\b(?:your|the)\b.{0,20}(?:prompt|instructions)",
    ),
    (
        "you~are~n act~as pretend persona",
        r"\byou are (?:now|no longer)\b|\bact as (?:a|an|if|the)\b|\bpretend (?:to be|that you|you)\b|\bnew persona\b",
    ),
    (
        "instruction orders order: order. task",
        r"\b(?:new|updated|additional|revised|important|real) (?:instructions?|orders?|task)\b\s*+[:.]",
    ),
    (
        "~mode jailbreak do~anything~now",
        r"\b(?:developer|debug|admin|god|dan|jailbreak) mode\b|\bjailbreak|\bdo anything now\b",
    ),
    (
        "< [inst [/inst",
        r"<\|[a-z_]{2,20}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user|instructions?|ticket|prompt)>",
    ),
    ("system assistant developer", r"^[ \t]*+#{0,4}+[ \t]*+(?:system|assistant|developer)[ \t]*+:"),
    (
        "category priority team sentiment confidence label urgent",
        r"\b(?:set|mark|change|assign|classify|label|route|categori[sz]e|raise)\b.{0,40}\b(?:category|priority|team|sentiment|confidence|label|urgent)\b.{0,20}\b(?:to|as)\b",
    ),
    (
        "category priority team sentiment confidence",
        r"\b(?:category|priority|team|sentiment|confidence)[\"']?\s*+[:=]\s*+[\"']?\w",
    ),
    (
        "only exactly json the~following verbatim",
        r"\b(?:respond|reply|answer|output|return|say)\b.{0,20}\b(?:only|exactly|with json|the following|verbatim)\b",
    ),
    (
        "include must",
        r"\binclude\b.{0,40}\b(?:link|url)\b.{0,30}\b(?:reply|response|answer|draft)|\b(?:reply|response|answer|draft)\b.{0,30}\bmust (?:contain|include|say)\b",
    ),
    (
        "~ai llm bot assistant model",
        r"\b(?:to|for|dear|attention)\b.{0,8}\b(?:the )?(?:ai|llm|language model|chatbot|assistant|bot|model)\b.{0,20}[:,]",
    ),
    (
        "~ai model assistant",
        r"\bas an? (?:ai|language model|assistant)\b|\b(?:ai|language) model\b.{0,20}\bmust\b",
    ),
    ("<<", r"<</?\s*+(?:ticket|examples)\b"),
    ("end~of", r"\bend of (?:the )?(?:ticket|message|user input|text|document)\b"),
)
"""Required literals (one must occur; `~` is a space) and the expression, which is compiled only then."""
_LITERALS_AND_PATTERNS = tuple(
    (tuple(word.replace("~", " ") for word in words.split()), expression) for words, expression in _PATTERNS
)


def detect_prompt_injection(text: str) -> list[str]:
    """Return the reasons why a text may be a prompt injection; an empty list does not prove that it is none."""
    head = text[:MAX_CHARACTERS]
    hidden = count_suspicious_invisible(head)
    noun = "character" if hidden == 1 else "characters"
    reasons = [f"the text has {hidden} invisible {noun}"] if hidden else []
    shown = strip_invisible(head)
    lowered = shown.lower()
    for literals, expression in _LITERALS_AND_PATTERNS:
        if any(map(lowered.__contains__, literals)):
            match = _compile(expression).search(shown)
            if match:
                quote = " ".join(match[0].split())[:_MAX_QUOTE]
                return [*reasons, f"the text may be trying to instruct the machine: {quote}"]
    return reasons


@cache
def _compile(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE | re.MULTILINE | re.DOTALL)
