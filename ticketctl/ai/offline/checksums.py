"""Find card and account numbers by their checksums."""

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
"""The countries by the length of their IBANs: the SWIFT registry of IBAN formats (ISO 13616)."""

_IBAN = r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}"
_GROUP = r"\d{2,19}"
_SEPARATORS = frozenset(("", " ", "\u00a0", "-", ".", "  "))
_CARD_FIRST_DIGITS = range(2, 7)  # the major industry identifiers of the card networks
_CARD_DIGITS = range(13, 20)
"""ISO/IEC 7812-1: a primary account number has at most 19 digits; those in use have at least 13."""


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every IBAN: the length of its country, and 1 modulo 97 (ISO 7064)."""
    for match in re.finditer(_IBAN, text):
        positions = [at for at in range(match.start(), match.end()) if text[at].isalnum()]
        country = match[0][:2].upper()
        length = next((n for n, countries in _IBAN_COUNTRIES.items() if country in countries.split()), 99)
        if len(positions) >= length:
            end = positions[length - 1] + 1
            if _is_iban("".join(text[at] for at in positions[:length])) and not text[end : end + 1].isalnum():
                yield match.start(), end


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every payment card number: 13 to 19 digits that begin with 2 to 6 and pass Luhn."""
    groups = [match.span() for match in re.finditer(_GROUP, text)]
    next_start = 0
    for first, (start, _) in enumerate(groups):
        if (
            start < next_start
            or int(text[start]) not in _CARD_FIRST_DIGITS
            or text[start - 1 : start].isdigit()
        ):
            continue
        end = _find_card_end(text, groups, first)
        if end:
            yield start, end
            next_start = end


def _find_card_end(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    digits, end = "", groups[first][0]
    card_end = None
    for start, stop in groups[first : first + 8]:
        if text[end:start] not in _SEPARATORS or len(digits) + stop - start > _CARD_DIGITS[-1]:
            break
        digits, end = digits + text[start:stop], stop
        if len(digits) in _CARD_DIGITS and not text[end : end + 1].isdigit() and _is_luhn(digits):
            card_end = end
    return card_end


def _is_iban(compact: str) -> bool:
    rotated = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rotated)) % 97 == 1


def _is_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004  (a digit sum: 12 counts 3)
    return total % 10 == 0
