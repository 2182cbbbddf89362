"""Check a draft that a model wrote: what it names, asks for and promises must come from the ticket or the taxonomy.

The ticket can hold instructions of an attacker, and the model may follow them. The checks read the draft as a person
would: normalized, with defanged and spelled-out links put together again.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from ticketctl.ai.draft_patterns import find_money_in_words, find_promises, find_secret_requests, find_wallets
from ticketctl.ai.normalization import normalize
from ticketctl.ai.offline.extraction import find_entities
from ticketctl.ai.phone_numbers import find_phones
from ticketctl.ai.sanitize import MAX_CHARACTERS
from ticketctl.ai.taxonomy.schema import Taxonomy

_CHECKED_KINDS = frozenset({"money", "phone", "ip", "iban", "card"})
_MAX_REFERENCES = 100  # an honest reply of 150 words has a few; each is searched in the whole ticket
_PROMPT_WORDS = 8  # consecutive words of the instructions that a draft may not repeat

_VISIT = r"(?:visit|website|site|page|open|browse|go to|see|at|on|link|url|host|domain)"
_PATH = r"(?:[:/][^\s<>\"'`)\]]*)?"
_LINK = (
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|(?:mailto|tel|sms|data|javascript):)[^\s<>\"'`)\]]+"
    # browsers read one number, or octal and hexadecimal parts, as an IPv4 address
    r"|\b(?:visit|open|browse|go to|link|url|host) (?:0x[0-9a-f]{7,8}|\d{8,10}|0[0-7x][0-9a-f]{0,10}(?:\.[0-9a-fx]{1,11}){1,3})\b"
    rf"|(?:[\w-]{{1,63}}\.){{1,8}}[^\W\d_]{{2,24}}{_PATH}|\blocalhost\b{_PATH}"
)
_ADDRESS = r"[^\s<>()\[\]\"',;:]{1,64}@[^\s<>()\[\]\"',;:]{1,255}"

_TOP_LEVELS = (
    "com|org|net|info|biz|edu|gov|io|co|dev|app|xyz|top|site|online|shop|store|club|link|click|live|icu|vip|tech|cloud|page|"
    "website|space|support|help|example|test|invalid|local|onion|ai|cc|tv|gg|ly|de|at|ch|fr|es|it|nl|be|uk|us|eu|pl|pt|se|no|"
    "dk|fi|cz|ru|ua|cn|jp|kr|br|mx|au|nz|ca|tk|ml|ga|cf|gq|pw|ws|su|sh|st"
)
_DOT_WORD = r"(?:dot|d0t|punkt|point|punto|ponto|punt|period)"
_REFANGINGS = (
    (r"\b(?:hxxp|h\*\*p|h_t_t_p|htxp|meow)(s?)(?=:|\[:\])", r"http\1"),
    (r"\s?[\[({<]\s?(?::|colon)\s?[\])}>]\s?", ":"),
    (r"\s?[\[({<]\s?(?:/|slash)\s?[\])}>]\s?", "/"),
    (rf"\s?[\[({{<]\s?(?:\.|{_DOT_WORD})\s?[\])}}>]\s?", "."),
    (
        rf"(?<=\w)[ _-]{_DOT_WORD}[ _-](?=(?:[\w-]{{1,63}}[ _-]{_DOT_WORD}[ _-]){{0,4}}(?:{_TOP_LEVELS})\b)",
        ".",
    ),
    (
        rf"(\b{_VISIT} [\w-]{{2,63}}) (?:dot|d0t) (?=[^\W\d_]{{2,24}}\b)",
        r"\1.",
    ),
    (rf"(?<=\w) ?\. (?=(?:{_TOP_LEVELS})(?:[/:?#]|\b(?! [a-z])))|(?<=\w) \.(?=(?:{_TOP_LEVELS})\b)", "."),
    (rf"(\b(?:visit|browse|go to|open) [\w-]{{2,63}}),(?=(?:{_TOP_LEVELS})\b)", r"\1."),
    (rf"\bwww[ .]{{1,2}}([\w-]{{1,63}})[ .]{{1,2}}(?=(?:{_TOP_LEVELS})\b)", r"www.\1."),
    (r"(?<=\w) (?:slash|schr[aä]gstrich) (?=\w)", "/"),
    (r"(?<=\w) ?://? ?(?=\w)", "://"),
    (r"(?<=\w) ?[\[({] ?(?:at|@) ?[\])}] ?(?=\w)", "@"),
)


def find_draft_problems(draft: str, ticket: str, taxonomy: Taxonomy, instructions: str = "") -> Iterator[str]:
    """Yield why a draft must not be used as it is; `instructions` is the prompt that it must not repeat."""
    ticket = ticket[:MAX_CHARACTERS]  # the model saw no more of it
    templates = _join_templates(taxonomy)
    for reference in find_ungrounded_references(draft, ticket, taxonomy):
        yield f"the reply names {reference!r}, which is neither in the ticket nor on the list of what it may name"
    text, allowed = _read(draft), _read_templates(templates).casefold()
    for sentence in find_secret_requests(text):
        if sentence.casefold() not in allowed:
            yield f"the reply asks for a secret: {sentence!r}"
    for sentence in find_promises(text):
        if sentence.casefold() not in allowed:
            yield f"the reply promises money: {sentence!r}"
    if match := _about_instructions().search(text):
        yield f"the reply talks about its instructions: {match[0]!r}"
    if instructions and (repeated := _find_repetition(draft, instructions, ticket, templates)):
        yield f"the reply repeats its instructions: {repeated!r}"


def find_ungrounded_references(draft: str, ticket: str, taxonomy: Taxonomy) -> list[str]:
    """Return the links, hosts, addresses, amounts and numbers that neither the ticket nor the taxonomy mentions."""
    ticket = ticket[:MAX_CHARACTERS]
    text = _read(draft)
    references = dict.fromkeys(
        [
            *(match[0] for match in _reference_pattern().finditer(text)),
            *(text[entity.start : entity.end] for entity in find_entities(text, kinds=_CHECKED_KINDS)),
            *(text[start:end] for start, end in find_phones(text)),
            *find_money_in_words(text),
            *find_wallets(text),
        ]
    )
    if not references:
        return []
    own = "\n".join((_join_templates(taxonomy), *taxonomy.reply.allow))
    allowed = _fold(f"{_read_templates(own)}\n{own}\n{normalize(ticket).text}\n{_read(ticket)}")
    hosts = {_fold(entry) for entry in taxonomy.reply.allow}
    checked = list(references)[:_MAX_REFERENCES]
    ungrounded = [reference for reference in checked if not _is_grounded(_fold(reference), allowed, hosts)]
    return ungrounded + list(references)[_MAX_REFERENCES:]


def _is_grounded(reference: str, allowed: str, hosts: set[str]) -> bool:
    """Tell whether the allowed text contains the whole reference; an allowed host covers every page on it."""
    reference = reference.rstrip(".,;:!?")
    if re.search(rf"(?<![\w@.-]){re.escape(reference)}(?![\w@-]|[./]\w)", allowed):
        return True
    host = re.match(r"(?:https?://)?([^/:?#@\\]+)(?:[/?#].*)?$", reference)
    return host is not None and host[1] in hosts


def _find_repetition(draft: str, instructions: str, *allowed: str) -> str | None:
    """Return a run of words that the draft shares with the instructions but not with the allowed texts."""
    shared = set(_word_runs(draft)) & set(_word_runs(instructions))
    for text in allowed:
        shared -= set(_word_runs(text)) if shared else set()
    return min(shared, default=None)


def _word_runs(text: str) -> Iterator[str]:
    words = re.findall(r"\w+", normalize(text).text.casefold())
    return (" ".join(words[at : at + _PROMPT_WORDS]) for at in range(len(words) - _PROMPT_WORDS + 1))


@lru_cache(maxsize=8)
def _read_templates(text: str) -> str:
    """Return `_read` of a taxonomy's texts, which are the same for every draft."""
    return _read(text)


def _read(text: str) -> str:
    """Return the normalized text, with spaced letters joined and hidden links written out."""
    text = normalize(text).without_letter_spacing().text
    for pattern, replacement in _refangings():
        text = pattern.sub(replacement, text)
    return text


def _fold(text: str) -> str:
    return " ".join(text.lower().split())


def _join_templates(taxonomy: Taxonomy) -> str:
    replies = [text for c in taxonomy.categories for text in (c.reply, *c.replies.values())]
    return "\n".join((taxonomy.reply.default, *taxonomy.reply.defaults.values(), *replies))


@cache
def _reference_pattern() -> re.Pattern[str]:
    return re.compile(f"{_ADDRESS}|{_LINK}", re.IGNORECASE)


@cache
def _about_instructions() -> re.Pattern[str]:
    return re.compile(
        r"\bsystem prompts?\b|\bmy (?:system |initial |hidden )?instructions (?:are|say|tell)\b|\bignore (?:all |the |my )?previous instructions\b",
        re.IGNORECASE,
    )


@cache
def _refangings() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), replacement) for pattern, replacement in _REFANGINGS)
