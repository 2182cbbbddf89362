"""Find telephone numbers in normalized text: international ones, national ones of given regions, and announced ones.

A run of digits alone does not tell a telephone number from an order number. The decision depends on the words
around it first, then on its grouping, and last on the numbering plans of libphonenumber.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from ticketctl.ai import phone_vocabulary as vocabulary
from ticketctl.errors import ConfigError

_REGIONS = (
    "US GB IE DE AT CH FR BE NL IT ES PT PL CZ SE NO DK FI BR MX AR IN CN JP KR SG HK AU NZ ZA TR RU UA IL"
)
DEFAULT_REGIONS = tuple(_REGIONS.split())
"""The regions (ISO 3166-1) whose national numbers are recognized unless the settings name others."""

_MAX_CHECKS = 100
"""Numbers of one text that libphonenumber checks, at up to a millisecond each; after that, any candidate counts."""

_SEPARATORS = r"[ ()\[\].\-/_\u00b7~]{0,3}"
_CANDIDATE = (
    rf"(?<![^\W_])(?:\(?\+ ?)?[(\[]?\d(?:(?:{_SEPARATORS}|-\n|(?<=\d)\n(?=\d\d))\d){{5,18}}(?![^\W_])"
)
_MIN_DIGITS, _MAX_DIGITS = 6, 15  # ITU-T E.164: at most 15
_MIN_NATIONAL, _MIN_GROUPED = 9, 8  # digits of a number that no word announces

# Digits that are no telephone number whatever stands around them. They are blanked before the search.
_OTHER_NUMBERS = (
    r"(?a)(?<![\d+.])(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?![\d/-])"
    r"|(?<![\d+./-])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|1[0-2])\2(?:(?:19|20)\d\d|\d\d)(?![ ./-]?\d)"
    r"|(?<![\d+./-])(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?:(?:19|20)\d\d|\d\d)(?![ ./-]?\d)"
    r"|(?<![\d:])\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,6})?)?(?![\d:])"
    r"|(?<![\d+.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\d]|\.\d)"
    r"|(?<![\d+.])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[T_-]?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?(?!\d)"
    r"|(?<![\d+.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"
    r"|(?<![\w+.-])(?:19|20)\d\d ?- ?(?:19|20)\d\d(?![\w-])"
)

_ANNOUNCED = (
    rf"(?i)(?:\b(?:{'|'.join(vocabulary.ANNOUNCING)})\b|{'|'.join(vocabulary.ANNOUNCING_WITHOUT_SPACES)})"
    r"[^\d\n]{0,30}\n?[^\d\n]{0,6}$"
)
_ANNOUNCED_AFTER = (
    r"(?i)\)?[ ,:-]{0,3}(?:is|was|=|are) (?:my|our|his|her|the) (?:\w+ )?(?:phone|number|cell|mobile|fax|tel)"
    r"|\)?\s?[\[(](?:mobile?|cell|phone|home|work|office|fax|tel|handy|whatsapp|privat|m|h|w|c)\.?[\])]"
    r"|\)?,? ?(?:ext|x|extension|durchwahl|poste)\.? ?\d{1,6}\b"
)
_EXTENSION = r"(?i),? ?(?:ext|x|extension|durchwahl|poste)\.? ?\d{1,6}\b"
_LINK = rf"[\"'`)]{{0,2}}(?: (?:{vocabulary.LINKING})){{0,2}}[\s:=#№°\"'`(.-]{{0,4}}$"
_SUFFIX = r"(?:[- ]?(?:numbers?|nums?|nos?|nrs?|nummern?|ids?|codes?|keys?|refs?|n°|nº))?\.?"
_IDENTIFIED = rf"(?i)(?:\b(?:{'|'.join(vocabulary.IDENTIFYING)}){_SUFFIX}|[a-z]+[-_ ](?:id|key|no|nr)){_LINK}"
_IDENTIFIED_PERSON = rf"(?i)\b(?:{'|'.join(vocabulary.PERSONS)}){_SUFFIX}{_LINK}"
_NUMBERED = r"(?i)(?:\b(?:nos?|nrs?|n°|nº|№)\.? ?:? ?|#)$"
_UNIT = rf"(?i)\s?(?:[%‰°$€£¥₹]|(?:{'|'.join(vocabulary.UNITS)})\b)"
_GLUED = frozenset("#$€£¥-_/.@=&%+\\*,;:^")  # right before a number, they make it a part of something else

# Groupings that only telephone numbers have: (415) 555-0132, 415-555-0132, 1 415 555 0132, 06 12 34 56 78, 030/1234567
_PHONE_GROUPING = (
    r"(?:1[ .-]{1,3})?[(\[]?[2-9]\d\d[)\]]?[ .-]{1,3}\d{3}[ .-]{1,3}\d{4}"
    r"|\(0?\d{1,4}\)[ -]{0,2}\d{2,5}(?:[ -]?\d{2,5}){1,3}"
    r"|0\d(?:[ .-]\d\d){4}"
    r"|0\d{2,4}[ /-]{1,3}\d{3,4}[ -]?\d{2,5}"
    r"|0\d{1,4}(?:[ ./-]{1,3}\d{2,5}){2,4}"
)
_NO_PHONE_GROUPING = (
    r"\d{1,2}(?:[ .]\d{3}){2,}|\d{3}(?:\.\d{3}){2,}|\d+(?:\.\d+){1,2}"  # amounts and versions
    r"|1[4-9]\d{8}"  # seconds of Unix time, 2014 to 2033
    r"|[1-9]\d{11,}"
)
_CONTEXT = 60  # characters before a number in which a word may announce it


def parse_regions(regions: str | None) -> tuple[str, ...]:
    """Return the regions of a setting such as "US, DE".

    Raises:
        ConfigError: libphonenumber does not know one of them.
    """
    if regions is None:
        return DEFAULT_REGIONS
    from phonenumbers import SUPPORTED_REGIONS

    names = tuple(name.strip() for name in regions.split(","))
    unknown = [name for name in names if name not in SUPPORTED_REGIONS]
    if unknown:
        raise ConfigError(
            f"the setting phone_regions has unknown regions: {', '.join(unknown)}",
            hint="use country codes of ISO 3166, like US, DE",
        )
    return names


def find_phones(text: str, regions: tuple[str, ...] = DEFAULT_REGIONS) -> Iterator[tuple[int, int]]:
    """Yield start and end of every telephone number; national numbers are those of the given regions."""
    if sum(map(str.isdigit, text)) < _MIN_DIGITS:
        return
    searched = _compile(_OTHER_NUMBERS).sub(lambda match: "\0" * len(match[0]), text)
    checks = 0
    for match in _compile(_CANDIDATE).finditer(searched):
        is_phone = _decide_by_context(searched, match)
        if is_phone is None and checks < _MAX_CHECKS:
            checks += 1
            is_phone = _is_in_numbering_plan(match[0], regions)
        if is_phone or is_phone is None:
            extension = _compile(_EXTENSION).match(searched, match.end())
            is_bracketed = match[0][0] in "([" and not re.search(r"[)\]]", match[0])
            yield match.start() + is_bracketed, extension.end() if extension else match.end()


def _decide_by_context(text: str, match: re.Match[str]) -> bool | None:  # noqa: PLR0911  (a list of decisions)
    """Tell from the words around a number and from its grouping what it is; None if neither decides."""
    number = match[0]
    digits = sum(map(str.isdigit, number))
    before = text[max(0, match.start() - _CONTEXT) : match.start()]
    after = text[match.end() : match.end() + _CONTEXT // 2]
    has_unit = _compile(_UNIT).match(after) is not None
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS:
        return False
    if "+" in number:
        return not has_unit or digits >= _MIN_NATIONAL
    has_phone_grouping = _compile(_PHONE_GROUPING).fullmatch(number) is not None
    is_announced = _compile(_ANNOUNCED).search(before) is not None
    if _identifies_something_else(before, is_announced=is_announced, has_phone_grouping=has_phone_grouping):
        return False
    if is_announced or _compile(_ANNOUNCED_AFTER).match(after):
        return not has_unit
    min_digits = _MIN_NATIONAL if number.isdigit() else _MIN_GROUPED
    if has_phone_grouping:
        min_digits, has_unit = _MIN_DIGITS + 1, False
    elif _compile(_NO_PHONE_GROUPING).fullmatch(number):
        return False
    if has_unit or digits < min_digits or before[-1:] in _GLUED:
        return False
    return True if has_phone_grouping else None


def _identifies_something_else(before: str, *, is_announced: bool, has_phone_grouping: bool) -> bool:
    """Tell whether the words before a number say that it is an order number, an amount or the like."""
    if _compile(_IDENTIFIED).search(before) or (_compile(_NUMBERED).search(before) and not is_announced):
        return True
    return not has_phone_grouping and _compile(_IDENTIFIED_PERSON).search(before) is not None


def _is_in_numbering_plan(number: str, regions: tuple[str, ...]) -> bool:
    """Ask libphonenumber whether a number, as it is grouped, is valid in one of the regions."""
    compact = " ".join(re.sub(r"[^\d()/.-]", " ", number).split())
    if re.match(r"00[1-9]", compact):
        return True
    return any(_is_valid(compact, region) for region in regions)


@lru_cache(maxsize=4096)
def _is_valid(number: str, region: str) -> bool:
    # imported here: it takes 60 ms, and only texts for an AI provider are redacted
    from phonenumbers import Leniency, PhoneNumberMatcher

    is_plain = number.isdigit()
    leniency = Leniency.VALID if is_plain else Leniency.STRICT_GROUPING
    return any(True for _ in PhoneNumberMatcher(number, region, leniency=leniency, max_tries=8))


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed first: that takes longer than importing this module."""
    return re.compile(pattern)
