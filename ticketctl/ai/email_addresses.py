"""Find e-mail addresses in normalized text: RFC 5322, RFC 6531, and the spellings that hide an address.

The search begins at the "@", in any spelling. The domain is matched forwards from there; the local part is matched
backwards, on the reversed text. Both are short, so the cost is linear in the number of "@".
"""

import re
from collections.abc import Iterator
from functools import cache

_OPEN, _CLOSE = r"[\[({<]\s{0,2}", r"\s{0,2}[\])}>]"
_AT = (
    rf"(?i)(?P<literal>\s{{0,2}}@\s{{0,2}})"
    rf"|(?P<spelled>\s{{0,2}}(?:{_OPEN}(?:at|ät|arroba|arobase|chiocciola|klammeraffe|@){_CLOSE}"
    r"|(?<=\w)\(a\)(?=\w)|&#0{0,3}64;|&#x40;|&commat;|%40|\\@)\s{0,2})"
    r"|(?P<words> at | arroba | arobase | chiocciola |_at_|-at-)"
)

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_SHORT_LABEL = r"[^\W_]{1,63}(?:-[^\W_]{1,63}){0,4}?"
_DOT_WORD = r"(?:dot|punkt|point|punto|ponto|punt)"
_SPELLED_DOT = (
    rf"(?:\s{{0,2}}{_OPEN}(?:{_DOT_WORD}|\.){_CLOSE}\s{{0,2}}|[ _-]{_DOT_WORD}[ _-]|&#0{{0,3}}46;|%2e)"
)
_COMMON_TOP_LEVELS = (
    "com|org|net|edu|gov|info|biz|io|co|dev|app|me|eu|de|at|ch|fr|es|it|nl|be|uk|us|pl|pt|se|example|test"
)
_PLAIN_DOMAIN = rf"(?:{_LABEL}\.){{1,8}}(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{2,63}})"
_SPELLED_DOMAIN = (
    rf"{_SHORT_LABEL}(?:(?:\.|{_SPELLED_DOT}){_SHORT_LABEL}){{0,6}}{_SPELLED_DOT}[^\W\d_]{{2,63}}"
)
_SPACED_DOMAIN = rf"(?:{_LABEL}\s?\.\s?){{1,8}}?(?:{_COMMON_TOP_LEVELS})(?![\w-])"
_ADDRESS_LITERAL = r"\[?(?:ipv6:)?(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})\]?"
_DOMAIN_AFTER = {
    "literal": rf"{_SPELLED_DOMAIN}|{_PLAIN_DOMAIN}|{_ADDRESS_LITERAL}|localhost(?![\w-])",
    "spaced": rf"{_SPELLED_DOMAIN}|{_SPACED_DOMAIN}",
    "spelled": rf"{_SPELLED_DOMAIN}|{_PLAIN_DOMAIN}",
    "words": _SPELLED_DOMAIN,
}

_LOCAL_CHARACTERS = r"[\w.!#$%'*+~-]{1,64}"
_REVERSED_DOT = r"(?: (?:tod|tknup|tniop|otnup|otnop|tnup) |\s?[\])}]\s?(?:tod|tknup|\.)\s?[\[({]\s?)"
_LOCAL_BEFORE = rf"(?i)(?:\)[^()\n]{{0,40}}\()?(?:\"[^\"\n]{{1,64}}\"|{_LOCAL_CHARACTERS}(?:{_REVERSED_DOT}{_LOCAL_CHARACTERS}){{0,3}})"
_MAX_LOCAL = 160
_SENTENCE_PUNCTUATION = (
    ".!?/=`{|}~*'#&"  # RFC 5322 allows some of it in an address, but not even mail servers do
)
_MAIL_WORD = r"(?i)\b(?:e-?mail|mail|write to|reach|contact|address)\b[^\n@]{0,40}$"


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every e-mail address."""
    free = 0  # where the previous address ends: addresses do not overlap
    for at in _compile(_AT).finditer(text):
        before = text[max(free, at.start() - _MAX_LOCAL) : at.start()]
        local = _compile(_LOCAL_BEFORE).match(before[::-1])
        domain = local and _match_domain(text, at, before)
        if local and domain:
            start = at.start() - len(local[0][::-1].lstrip(_SENTENCE_PUNCTUATION))
            if start < at.start():
                yield start, domain
                free = domain


def _match_domain(text: str, at: re.Match[str], before: str) -> int | None:
    """Return where the domain after an "@" ends, or None if no domain follows."""
    kind = at.lastgroup or ""
    if kind == "literal" and at[0] != "@":
        kind = "spaced"
    match = _compile(f"(?i){_DOMAIN_AFTER[kind]}").match(text, at.end())
    if match is None and kind == "words" and (at[0] == " AT " or _compile(_MAIL_WORD).search(before[-60:])):
        match = _compile(f"(?i){_DOMAIN_AFTER['spelled']}").match(text, at.end())
    return match.end() if match else None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed first: that takes longer than importing this module."""
    return re.compile(pattern)
