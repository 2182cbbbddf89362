"""Find what a support reply must never do: ask for secrets, promise money, or name a wallet."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from ticketctl.ai import draft_vocabulary as words


def _any(expressions: Sequence[str]) -> str:
    return f"(?:{'|'.join(expressions)})"


_SECRET = _any(words.SECRETS)
_WORDS_BETWEEN = r"(?:[ ,:(]{1,2}[^\s.!?]{1,24}){0,9}?[ ,:(]{1,2}"
_SECRET_REQUEST = (
    rf"(?i)\b{_any(words.REQUESTS)}\b{_WORDS_BETWEEN}{_SECRET}\b(?! ?-?{_any(words.NOT_THE_SECRET)})"
    rf"|\b(?:what(?:'s| is| are)|which is) (?:\w+ ){{0,3}}?{_SECRET}\b"
    rf"|\b{_SECRET} (?:and \w+ ){{0,2}}?(?:is|are) (?:required|needed|necessary)"
    rf"|\b(?:your|ihre?n?|votre|su) {_SECRET},? (?:please|bitte|s'il vous pla[iî]t|por favor)"
    r"|请.{0,12}(?:密码|卡号|验证码)|パスワード.{0,12}(?:ください|教えて)"
)
_HARMLESS = rf"(?i)n't\b|\b{_any(words.HARMLESS)}\b"

_NOUN = _any(words.MONEY_NOUNS)
_ADVERBS = rf"(?:{_any(words.ADVERBS)} ){{0,4}}"
_WE = r"(?:we|i)(?:'ll| will| shall| can| have|'ve| are|'re| am|'m| would)?"
_PROMISE = (
    rf"(?i)\b{_NOUN}\b(?: [^\s.!?]{{1,30}}){{0,8}}? {_any(words.PROMISED_STATES)}\b"
    rf"|\b{_WE} {_ADVERBS}{_any(words.PAYING)} {_any(words.PAID)}\b"
    rf"|\b{_WE} {_ADVERBS}{_any(words.GRANTING)} (?:you )?(?:\w+ ){{0,4}}?(?:{_NOUN}|{_any(words.GRANTED)})\b"
    rf"|\byou(?:'ll| will| are going to| shall| can expect to)? {_ADVERBS}"
    rf"(?:receive|get|find|see|have) (?:[^\s.!?]{{1,30}} ){{0,5}}?(?:{_NOUN}|money)\b"
    rf"|\b{_any(words.OTHER_PROMISES)}\b"
)
_UNCERTAIN = rf"(?i)n't\b|\b{_any(words.UNCERTAIN)}\b"

_NUMBER = _any(words.NUMBERS)
_MONEY_IN_WORDS = (
    rf"(?i)\b{_NUMBER}(?:[ -](?:and |und |et |y )?{_NUMBER}){{0,6}}[ -]{_any(words.CURRENCIES)}\b"
    rf"|\b(?:eur|usd|gbp|chf|btc) {_NUMBER}\b"
    rf"|\b{_NUMBER}(?:[ -]{_NUMBER}){{0,3}} ?(?:percent|per cent|prozent|%) (?:off|discount|refund|rabatt)"
)

_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
_WALLET = (
    r"\b(?:bc1|tb1|ltc1|addr1|bnb1|cosmos1|osmo1)[02-9ac-hj-np-z]{8,100}\b"
    r"|\b(?:bitcoincash:)?[qp][02-9ac-hj-np-z]{41}\b|\b0x[0-9a-fA-F]{40}\b"
    rf"|\b(?={_BASE58}{{0,94}}[a-z])(?={_BASE58}{{0,94}}[A-Z])(?={_BASE58}{{0,94}}\d){_BASE58}{{26,95}}\b"
)

_SENTENCE = r"[^.!?\n]+[.!?\n]*"
_LINE_BREAK = r"(?<!\n)\n(?!\n)"  # within a paragraph
# Cyrillic and Greek letters that look like Latin ones (Unicode TR 39, confusables)
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһӏвкмнтԝοαενρικ", "aeopcyxijsdhlbkmhtwoaevpik")


def find_secret_requests(text: str) -> Iterator[str]:
    """Yield the sentences that ask the reader for a password, a code, or card or bank details."""
    for sentence in _split_sentences(text):
        for view in dict.fromkeys((sentence, sentence.translate(_LOOKALIKES))):
            match = _compile(_SECRET_REQUEST).search(view)
            if match and not _compile(_HARMLESS).search(view[: match.end()]):
                yield sentence
                break


def find_promises(text: str) -> Iterator[str]:
    """Yield the sentences that promise a refund, a credit or money."""
    for sentence in _split_sentences(text):
        match = _compile(_PROMISE).search(sentence)
        if match and not _compile(_UNCERTAIN).search(sentence[: match.end()]):
            yield sentence


def find_money_in_words(text: str) -> list[str]:
    """Return the amounts of money whose number or currency is a word."""
    return [match[0] for match in _compile(_MONEY_IN_WORDS).finditer(text)]


def find_wallets(text: str) -> list[str]:
    """Return the addresses of cryptocurrency wallets: Bech32, Base58 and hexadecimal ones."""
    return [match[0] for match in _compile(_WALLET).finditer(text)]


def _split_sentences(text: str) -> list[str]:
    """Return the sentences; no expression above matches across the end of one."""
    joined = re.sub(_LINE_BREAK, " ", text)
    return [sentence.strip() for sentence in re.findall(_SENTENCE, joined)]


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed first: that takes longer than importing this module."""
    return re.compile(pattern)
