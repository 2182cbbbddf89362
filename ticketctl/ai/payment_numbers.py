"""Find payment card numbers and IBANs in normalized text, however they are grouped."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

_GAP = r"[\W_]{0,3}"  # what may stand between two characters of a number
_DIGIT_CHAIN = rf"\d(?:{_GAP}\d){{12,}}"
_DIGITS = r"\d+"
_MIN_CARD_DIGITS, _MAX_CARD_DIGITS = 13, 19
"""ISO/IEC 7812-1: a primary account number has at most 19 digits; those in use have at least 13."""

# The first digits that the card networks use, by the length of the number. The short lengths are narrower:
# barcodes, timestamps and device numbers have 13 to 15 digits too, and one in ten passes Luhn's check.
_ISSUERS = {
    13: "4|5[06-9]|6",
    14: "3[0689]|5[06-9]|6",
    15: "3[47]|5[06-9]|6",
    16: "2[2-7]|3[05689]|[456]|8[12]|9792",
    17: "220[0-4]|3[05689]|5[06-9]|6",
    18: "220[0-4]|3[05689]|5[06-9]|6",
    19: "220[0-4]|3[05689]|4|5[06-9]|6",
}
_MIN_CARD_GROUP = 4  # digits, unless all digits or pairs stand alone
_NETWORK_GROUPINGS = frozenset({(4, 3, 3, 3), (4, 6, 4), (4, 6, 5)})
_UUID = r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
"""Each digit doubled, as Luhn's check adds it: of 12, the sum of its digits."""

_IBAN_START = rf"(?ia)(?:(?<![^\W_])|(?<=iban))[a-z]{{2}}{_GAP}\d{{2}}"
_IBAN_TAIL = rf"(?ia)(?:{_GAP}[a-z0-9]){{11,30}}"
_ALPHANUMERICS = r"(?ia)[a-z0-9]+"
_MIN_IBAN, _MAX_IBAN = 15, 34  # ISO 13616; Norway's is the shortest
_LETTER_VALUES = {
    ord(letter): str(value) for value, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=10)
}
_IBAN_HEAD = 4  # characters: the country and the check digits
_FEW_IBAN_GROUPS = 3
_MIN_IBAN_DIGITS = 8  # of the account: the words of a sentence have fewer


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every card number: 13 to 19 digits of a known network that pass Luhn's check.

    Up to three characters that are neither letters nor digits may separate its groups.
    """
    text = _compile(_UUID).sub(lambda match: "x" * len(match[0]), text)
    for chain in _compile(_DIGIT_CHAIN).finditer(text):
        groups = [match.span() for match in _compile(_DIGITS).finditer(text, chain.start(), chain.end())]
        first = 1 if text[chain.start() - 1 : chain.start()] == "+" else 0  # a telephone number begins with +
        while first < len(groups):
            count = _match_card(text, groups[first : first + _MAX_CARD_DIGITS])
            if count:
                yield groups[first][0], groups[first + count - 1][1]
            first += count or 1


def _match_card(text: str, groups: Sequence[tuple[int, int]]) -> int:
    """Return how many of the groups, from the first on, make the longest card number; 0 if none does."""
    digits, longest = "", 0
    sizes: list[int] = []
    for start, end in groups:
        digits += text[start:end]
        sizes.append(end - start)
        if len(digits) > _MAX_CARD_DIGITS:
            break
        if len(digits) < _MIN_CARD_DIGITS or not re.match(_ISSUERS[len(digits)], digits):
            continue
        if _is_card_grouping(sizes, text[groups[0][1] : start]) and _is_luhn(digits):
            longest = len(sizes)
    return longest


def _is_card_grouping(sizes: list[int], separators: str) -> bool:
    """Tell whether people write card numbers in such groups; a list of other numbers, a date and a time are not.

    One group; groups of equal size and a last one of any size; a network's own; other groups of four and more.
    """
    *leading, last = sizes
    if not leading:
        return True
    if len(set(leading)) == 1:
        return leading[0] in {1, 2} or leading[0] >= _MIN_CARD_GROUP
    if tuple(sizes) in _NETWORK_GROUPINGS:
        return True
    if "," in separators or ":" in separators:
        return False
    return min(leading) >= _MIN_CARD_GROUP and last > 1


def _is_luhn(digits: str) -> bool:
    reverse = digits[::-1].encode()
    return (sum(reverse[::2]) + sum(reverse[1::2].translate(_DOUBLED))) % 10 == len(digits) * ord("0") % 10


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every IBAN of any country: 15 to 34 characters that leave 1 modulo 97 (ISO 7064).

    The longest candidate counts, so that no part of an account number is left over.
    """
    position = 0
    while start := _compile(_IBAN_START).search(text, position):
        position = start.start() + 1
        tail = _compile(_IBAN_TAIL).match(text, start.end())
        end = tail and _match_iban(text, start.start(), tail.end())
        if end:
            yield start.start(), end
            position = end


def _match_iban(text: str, start: int, stop: int) -> int:
    """Return the end of the longest IBAN that begins at `start` and ends with a group; 0 if there is none."""
    compact, longest = "", 0
    sizes: list[int] = []
    for group in _compile(_ALPHANUMERICS).finditer(text, start, stop):
        if group[0].isalpha() and len(group[0]) not in {1, 4} and len(sizes) > 1:
            break  # a word of the sentence: a bank's code has four letters
        compact += group[0]
        sizes.append(len(group[0]))
        if len(compact) > _MAX_IBAN:
            break
        is_whole = not text[group.end() : group.end() + 1].isalnum()
        if len(compact) >= _MIN_IBAN and is_whole and _is_iban_grouping(sizes) and _is_iban(compact):
            longest = group.end()
    return longest


def _is_iban_grouping(sizes: list[int]) -> bool:
    """Tell whether people write IBANs in such groups: few, or of equal size after country and check digits."""
    if len(sizes) <= _FEW_IBAN_GROUPS:
        return True
    head = 2 if sizes[:2] == [2, 2] else int(sizes[0] == _IBAN_HEAD)
    *leading, last = sizes[head:]
    return len(set(leading)) == 1 and last <= leading[0]


def _is_iban(compact: str) -> bool:
    digits = compact.lower().translate(_LETTER_VALUES)
    letters = len(digits) - len(compact)  # each becomes two digits
    if len(compact) - letters - 2 < _MIN_IBAN_DIGITS:
        return False
    head = len(digits) - len(compact[4:].lower().translate(_LETTER_VALUES))
    return int(digits[head:] + digits[:head]) % 97 == 1


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed first: that takes longer than importing this module."""
    return re.compile(pattern)
