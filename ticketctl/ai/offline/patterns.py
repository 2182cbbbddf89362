"""What named things look like in a text. Every repetition is bounded, so that no text makes a pattern slow."""

from collections.abc import Iterable

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
_SYMBOL = r"[$€£¥₹]|(?:US|A|C)\$"
_CODE = "USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|CNY|BRL|MXN|ZAR|SGD|HKD|TRY"
_WORDED = "euros?|dollars?|pounds?|pesos|francs?|franken|yen|zł|kr"
_AMOUNT = r"(?:\d{1,3}(?:[.,'\u2019 \u00a0]\d{3}){1,4}|\d{1,12})(?:[.,]\d{1,2}|,-)?"
_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}"
_ENDINGS = (
    "pdf|docx?|xlsx?|pptx?|od[tsp]|csv|tsv|txt|log|md|rtf|png|jpe?g|gif|svg|webp|heic|mp[34]|mov|avi|wav|zip|rar|7z"
    "|tar|gz|tgz|json|ya?ml|toml|xml|html?|ini|conf|cfg|env|sql|db|sqlite|bak|py|js|ts|tsx|jsx|java|go|rs|rb|php"
    "|cs|cpp|sh|bat|ps1|exe|msi|dmg|pkg|deb|rpm|apk|ipa|jar|whl|dll|so|pem|crt|cer|key|p12|ics|eml|msg"
)

PATTERNS: tuple[tuple[str, str], ...] = (
    ("url", r"(?:https?://|(?<![\w./@-])www\.)[^\s<>\"'`{}|\\^\x00-\x1f]{1,2000}"),
    ("email", rf"(?<![\w.+-])[\w](?:[\w.+'-]{{0,62}}[\w+-])?@{_DOMAIN}(?![\w-])"),
    ("ip", r"(?<![\w.:])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)"),
    ("ip", r"(?<![\w:.])(?=[0-9a-f:]{2,39}(?![\w:]))[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])"),
    ("date", rf"(?<![\d.-]){_YEAR}([-/.]){_MONTH}\1{_DAY}(?=T\d|[^\d\w.-]|\.?(?:\s|$)|$)"),
    ("date", rf"(?<![\d./-]){_DAY}([./-]){_MONTH}\1(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)"),
    ("date", rf"(?<![\d./-]){_MONTH}/{_DAY}/(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)"),
    (
        "date",
        rf"(?<![\w.]){_DAY}(?:st|nd|rd|th|\.|º|er)?[ -](?:of |de )?(?:{_MONTHS})\b\.?(?:(?:,| de)?[ -]{_YEAR})?(?!\w)",
    ),
    ("date", rf"(?<!\w)(?:{_MONTHS})\b\.? {_DAY}(?:st|nd|rd|th)?(?:,? {_YEAR})?(?![\w:]|[.,]\d)"),
    ("date", rf"(?<!\w)(?:{_MONTHS})\b\.?(?: de)? {_YEAR}(?!\w)"),
    ("date", rf"(?<!\w)(?:{_WEEKDAYS})(?!\w)"),
    (
        "time",
        (
            r"(?<![\d:.])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6})?)?"
            r"(?:\s?[ap]\.?m\b\.?|\s?uhr\b|\s?(?:utc|gmt|cest|cet|est|pst)\b|z\b|[+-]\d\d:?\d\d)?(?![\d:])"
        ),
    ),
    ("time", r"(?<![\w.:])(?:[01]?\d|2[0-3])(?:\s?[ap]\.?m\b|\s?uhr\b|\s?o['\u2019]clock\b|h[0-5]\d\b)"),
    ("money", rf"(?<![\w$€£])(?:(?:{_SYMBOL})\s?|(?:{_CODE})\s?){_AMOUNT}(?![\w]|[.,]\d)"),
    ("money", rf"(?<![\w.,]){_AMOUNT}\s?(?:[$€£¥₹]|(?:{_CODE}|{_WORDED})\b)"),
    (
        "exception",
        r"(?<![\w.])(?-i:(?:[a-zA-Z_]\w{0,60}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Fault|Interrupt))(?!\w)",
    ),
    (
        "file",
        rf"(?<![\w./\\-])(?:[A-Za-z]:\\|~?/|\.{{1,2}}/)?(?:[\w.-]{{1,80}}[/\\]){{0,12}}[\w-][\w.-]{{0,80}}\.(?:{_ENDINGS})(?![\w]|\.\w)",
    ),
    (
        "version",
        r"(?<![\w.])v?\d{1,4}(?:\.\d{1,5}){2,3}(?:[-+.]?(?:alpha|beta|rc|dev|post|a|b)[.-]?\d{0,4})?(?![\w]|\.\d)",
    ),
    (
        "version",
        r"(?<!\w)(?:version|release|build|ver\.?|v)[ :]?\s?(?P<value>\d{1,6}(?:\.\d{1,5}){0,3}(?:[-+.]?(?:alpha|beta|rc)[.-]?\d{0,4})?)(?![\w]|\.\d)",
    ),
    (
        "error_code",
        (
            r"(?<!\w)(?:error|fehler|erreur|errno|status|http|exit)[ -]?(?:code|status)?[ :#=]{0,3}"
            r"(?P<value>\d{2,6}|0x[0-9a-f]{2,16}|(?-i:[A-Z]{1,8}[-_]?\d{1,6}))(?![\w]|[.,]\d)"
        ),
    ),
    ("error_code", r"(?<!\w)0x[0-9a-f]{4,16}(?!\w)"),
    ("error_code", r"(?<!\w)(?-i:ORA|SQLSTATE|TS|CVE|KB|HRESULT)[-_ ]?\d[\d-]{2,14}(?!\w)"),
    (
        "error_code",
        r"(?<!\w)(?-i:E[A-Z]{4,20}|(?:[A-Z]{1,20}_){0,5}(?:ERR|ERROR|FAILED|DENIED|INVALID|TIMEOUT)(?:_[A-Z0-9]{1,20}){1,5})(?!\w)",
    ),
    ("phone", r"(?<![\w+])(?:\+|00)[1-9](?:[ ()./\u00a0-]{0,2}\d){7,14}(?![\w])"),
    ("phone", r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"),
    ("phone", r"(?<![\w.-])0\d{2,4}[ /-]\d{3,4}[ -]?\d{2,5}(?![\w-])"),
    (
        "phone",
        (
            r"(?<!\w)(?:phone|tel|telephone|telefon|mobile|call|number is|fax|whatsapp)[.:]?(?: me at| us at| at| on)?[ :]{0,2}"
            r"(?P<value>\(?\d(?:[ ()./-]{0,2}\d){6,14})(?!\w)"
        ),
    ),
)
"""Kind and regular expression, the surest first; matched without regard to case. A group `value` narrows the find."""


def identifier(keywords: Iterable[str], pattern: str) -> str:
    """The expression that finds numbers quoted after one of the keywords; a short one needs a sign such as "no."."""
    words = "|".join(sorted((escaped(word) for word in keywords), key=lambda word: (-len(word), word)))
    sign = r"(?:(?:\s?(?:number|num|no|nr|id|ref)\b\.?)?\s?(?:[#:№=]|n[°º]|is(?=\s))|\s?(?:number|num|no|nr|id|ref)\b\.?)"
    return rf"(?<!\w)(?:{words})s?(?:{sign}\s{{0,3}}#?|\s(?=[^\s]{{4}}))(?P<value>{pattern})(?![\w])"


def escaped(words: str) -> str:
    """A keyword as an expression, with any space between its words."""
    import re

    return r"\s".join(re.escape(word) for word in words.split())
