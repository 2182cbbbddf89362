"""Card and account numbers, told from other digits by their checksums."""

import re
from collections.abc import Iterator

_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
"""Characters of an IBAN, and the countries whose have as many: the SWIFT registry of IBAN formats (ISO 13616)."""

_IBAN = r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}"
_GROUP = r"\d{2,19}"
_SEPARATORS = frozenset(("", " ", "\u00a0", "-", ".", "  "))
_CARD_STARTS = range(2, 7)  # the networks' own digits
_CARD_DIGITS = range(13, 20)
"""ISO/IEC 7812-1: a primary account number has at most 19 digits; those in use have at least 13."""


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every IBAN: its country's length, and 1 modulo 97 (ISO 7064)."""
    for match in re.finditer(_IBAN, text):
        places = [at for at in range(match.start(), match.end()) if text[at].isalnum()]
        country = match[0][:2].upper()
        length = next((n for n, countries in _IBAN_COUNTRIES.items() if country in countries.split()), 99)
        if len(places) >= length:
            end = places[length - 1] + 1
            if _is_iban("".join(text[at] for at in places[:length])) and not text[end : end + 1].isalnum():
                yield match.start(), end


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every payment card number: 13 to 19 digits from 2 to 6 on that pass Luhn's check."""
    groups = [match.span() for match in re.finditer(_GROUP, text)]
    free = 0
    for first, (start, _) in enumerate(groups):
        if start < free or int(text[start]) not in _CARD_STARTS or text[start - 1 : start].isdigit():
            continue
        end = _card_end(text, groups, first)
        if end:
            yield start, end
            free = end


def _card_end(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    digits, end = "", groups[first][0]
    found = None
    for start, stop in groups[first : first + 8]:
        if text[end:start] not in _SEPARATORS or len(digits) + stop - start > _CARD_DIGITS[-1]:
            break
        digits, end = digits + text[start:stop], stop
        if len(digits) in _CARD_DIGITS and not text[end : end + 1].isdigit() and _is_luhn(digits):
            found = end
    return found


def _is_iban(compact: str) -> bool:
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _is_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004  (a digit sum: 12 counts 3)
    return total % 10 == 0
