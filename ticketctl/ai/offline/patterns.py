"""Regular expressions for entities. Every repetition is bounded, so that no text makes a pattern slow."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ticketctl.ai.regex_safety import is_safe_to_backtrack

DIGITS = tuple("0123456789")

_MONTHS = (
    "jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]vrier|mar(?:ch|s|zo)?|märz|apr(?:il)?|avril|abril|may|mai|mayo"
    "|june?|juni|juin|junio|july?|juli|juillet|julio|aug(?:ust)?|ao[uû]t|agosto|sept?(?:ember|embre|iembre)?"
    "|o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember|embre)?|d[ée]cembre|diciembre"
)
_WEEKDAYS = (
    "(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch"
    "|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_MONTH_STARTS = tuple(
    re.findall(
        r"\w+",
        "jan feb fév fev mar mär apr avr abr may mai jun jui jul aug ago aoû aou sep oct okt nov dec dez déc dic",
    )
)
_DAY_PARTS = (
    "day",
    "tag",
    "mittwoch",
    "di",
    "sábado",
    "domingo",
    "lunes",
    "martes",
    "jueves",
    "viernes",
    "miér",
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_CURRENCY_SYMBOLS = r"[$€£¥₹]|(?:US|A|C)\$"
_CURRENCY_CODES = "USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|CNY|BRL|MXN|ZAR|SGD|HKD|TRY"
_CURRENCY_WORDS = "euros?|dollars?|pounds?|pesos|francs?|franken|yen|zł|kr"
_AMOUNT = r"(?:\d{1,3}(?:[.,'\u2019 \u00a0]\d{3}){1,4}|\d{1,12})(?:[.,]\d{1,2}|,-)?"
_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}"
_FILE_EXTENSIONS = (
    "pdf|docx?|xlsx?|pptx?|od[tsp]|csv|tsv|txt|log|md|rtf|png|jpe?g|gif|svg|webp|heic|mp[34]|mov|avi|wav|zip|rar|7z"
    "|tar|gz|tgz|json|ya?ml|toml|xml|html?|ini|conf|cfg|env|sql|db|sqlite|bak|py|js|ts|tsx|jsx|java|go|rs|rb|php"
    "|cs|cpp|sh|bat|ps1|exe|msi|dmg|pkg|deb|rpm|apk|ipa|jar|whl|dll|so|pem|crt|cer|key|p12|ics|eml|msg"
)


class EntityPattern(NamedTuple):
    """A case-insensitive regular expression for one kind of entity.

    Only texts that contain one of the `required` lower-case literals can match: without them the expression is
    not even compiled. A group named `value` narrows the match to the entity. `value`, if there is one, is the
    expression of the entity behind the match: RE2 runs it.
    """

    kind: str
    required: tuple[str, ...]
    expression: str
    value: str = ""


PATTERNS = (
    EntityPattern(
        "url", ("://", "www."), r"(?:https?://|(?<![\w./@-])www\.)[^\s<>\"'`{}|\\^\x00-\x1f]{1,2000}"
    ),
    EntityPattern("email", ("@",), rf"(?<![\w.+-])[\w](?:[\w.+'-]{{0,62}}[\w+-])?@{_DOMAIN}(?![\w-])"),
    EntityPattern("ip", (".",), rf"(?<![\w.:])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.\d)"),
    EntityPattern(
        "ip", (":",), r"(?<![\w:.])(?=[0-9a-f:]{2,39}(?![\w:]))[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])"
    ),
    EntityPattern(
        "date", ("19", "20"), rf"(?<![\d.-]){_YEAR}([-/.]){_MONTH}\1{_DAY}(?=T\d|[^\d\w.-]|\.?(?:\s|$)|$)"
    ),
    EntityPattern("date", DIGITS, rf"(?<![\d./-]){_DAY}([./-]){_MONTH}\1(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)"),
    EntityPattern("date", ("/",), rf"(?<![\d./-]){_MONTH}/{_DAY}/(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)"),
    EntityPattern(
        "date",
        _MONTH_STARTS,
        (
            rf"(?<![\w.]){_DAY}(?:st|nd|rd|th|\.|º|er)?[ -](?:of |de )?(?:{_MONTHS})\b\.?"
            rf"(?:(?:,| de)?[ -]{_YEAR})?(?!\w)"
        ),
    ),
    EntityPattern(
        "date",
        _MONTH_STARTS,
        rf"(?<!\w)(?:{_MONTHS})\b\.? (?:{_DAY}(?:st|nd|rd|th)?(?:,? {_YEAR})?(?![\w:]|[.,]\d)|(?:de )?{_YEAR}(?!\w))",
    ),
    EntityPattern("date", _DAY_PARTS, rf"(?<!\w)(?:{_WEEKDAYS})(?!\w)"),
    EntityPattern(
        "time",
        (":",),
        (
            r"(?<![\d:.])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6})?)?"
            r"(?:\s?[ap]\.?m\b\.?|\s?uhr\b|\s?(?:utc|gmt|cest|cet|est|pst)\b|z\b|[+-]\d\d:?\d\d)?(?![\d:])"
        ),
    ),
    EntityPattern(
        "time",
        DIGITS,
        r"(?<![\w.:])(?:[01]?\d|2[0-3])(?:\s?[ap]\.?m\b|\s?uhr\b|\s?o['\u2019]clock\b|h[0-5]\d\b)",
    ),
    EntityPattern(
        "money",
        DIGITS,
        rf"(?<![\w$€£])(?:(?:{_CURRENCY_SYMBOLS})\s?|(?:{_CURRENCY_CODES})\s?){_AMOUNT}(?![\w]|[.,]\d)",
    ),
    EntityPattern(
        "money", DIGITS, rf"(?<![\w.,]){_AMOUNT}\s?(?:[$€£¥₹]|(?:{_CURRENCY_CODES}|{_CURRENCY_WORDS})\b)"
    ),
    EntityPattern(
        "exception",
        ("error", "exception", "fault", "interrupt"),
        (
            r"(?<![\w.])(?-i:(?:[a-zA-Z_]\w{0,60}\.){0,8}"
            r"[A-Z]\w{0,80}(?:Error|Exception|Fault|Interrupt))(?!\w)"
        ),
    ),
    EntityPattern(
        "file",
        (".",),
        (
            r"(?<![\w./\\-])(?:[A-Za-z]:\\|~?/|\.{1,2}/)?(?:[\w.-]{1,80}[/\\]){0,12}"
            rf"[\w-][\w.-]{{0,80}}\.(?:{_FILE_EXTENSIONS})(?![\w]|\.\w)"
        ),
    ),
    EntityPattern(
        "version",
        (".",),
        (
            r"(?<![\w.])v?\d{1,4}(?:\.\d{1,5}){2,3}"
            r"(?:[-+.]?(?:alpha|beta|rc|dev|post|a|b)[.-]?\d{0,4})?(?![\w]|\.\d)"
        ),
    ),
    EntityPattern(
        "version",
        ("ersion", "release", "build", "ver", "v ", "v:", *(f"v{digit}" for digit in DIGITS)),
        (
            r"(?<!\w)(?:version|release|build|ver\.?|v)[ :]?\s?"
            r"(?P<value>\d{1,6}(?:\.\d{1,5}){0,3}(?:[-+.]?(?:alpha|beta|rc)[.-]?\d{0,4})?)(?![\w]|\.\d)"
        ),
    ),
    EntityPattern(
        "error_code",
        ("error", "fehler", "erreur", "errno", "status", "http", "exit"),
        (
            r"(?<!\w)(?:error|fehler|erreur|errno|status|http|exit)[ -]?(?:code|status)?[ :#=]{0,3}"
            r"(?P<value>\d{2,6}|0x[0-9a-f]{2,16}|(?-i:[A-Z]{1,8}[-_]?\d{1,6}))(?![\w]|[.,]\d)"
        ),
    ),
    EntityPattern("error_code", ("0x",), r"(?<!\w)0x[0-9a-f]{4,16}(?!\w)"),
    EntityPattern(
        "error_code",
        ("ora", "sqlstate", "ts", "cve", "kb", "hresult"),
        r"(?<!\w)(?-i:ORA|SQLSTATE|TS|CVE|KB|HRESULT)[-_ ]?\d[\d-]{2,14}(?!\w)",
    ),
    EntityPattern("error_code", ("e",), r"(?<!\w)(?-i:E[A-Z]{4,20})(?!\w)"),
    EntityPattern(
        "error_code",
        ("_",),
        (
            r"(?<!\w)(?-i:(?:[A-Z]{1,20}_){0,5}"
            r"(?:ERR|ERROR|FAILED|DENIED|INVALID|TIMEOUT)(?:_[A-Z0-9]{1,20}){1,5})(?!\w)"
        ),
    ),
    EntityPattern("phone", ("+", "00"), r"(?<![\w+])(?:\+|00)[1-9](?:[ ()./\u00a0-]{0,2}\d){7,14}(?![\w])"),
    EntityPattern("phone", DIGITS, r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"),
    EntityPattern("phone", ("0",), r"(?<![\w.-])0\d{2,4}[ /-]\d{3,4}[ -]?\d{2,5}(?![\w-])"),
    EntityPattern(
        "phone",
        ("phone", "tel", "mobile", "call", "number is", "fax", "whatsapp"),
        (
            r"(?<!\w)(?:phone|tel|telephone|telefon|mobile|call|number is|fax|whatsapp)[.:]?"
            r"(?: me at| us at| at| on)?[ :]{0,2}(?P<value>\(?\d(?:[ ()./-]{0,2}\d){6,14})(?!\w)"
        ),
    ),
)
"""The patterns by precedence, the most specific first."""


def identifier_pattern(kind: str, keywords: Iterable[str], number: str) -> EntityPattern:
    """Return the pattern of a number after one of the keywords; a short number needs a sign such as "no."."""
    words = "|".join(sorted(map(_escape_words, keywords), key=lambda word: (-len(word), word)))
    sign = (
        r"(?:(?:\s?(?:number|num|no|nr|id|ref)\b\.?)?\s?(?:[#:№=]|n[°º]|is(?=\s))"
        r"|\s?(?:number|num|no|nr|id|ref)\b\.?)"
    )
    start = rf"(?<!\w)(?:{words})s?(?:{sign}\s{{0,3}}#?|\s(?=[^\s]{{4}}))"
    required = tuple(map(str.lower, keywords))
    if is_safe_to_backtrack(number):
        return EntityPattern(kind, required, rf"{start}(?P<value>{number})(?!\w)")
    return EntityPattern(kind, required, start, number)


def _escape_words(words: str) -> str:
    return r"\s".join(re.escape(word) for word in words.split())
