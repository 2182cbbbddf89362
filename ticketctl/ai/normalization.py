"""Normalize untrusted text before it is searched, and map positions back to the original text.

A number written with thin spaces, full-width digits or invisible characters is still the same number. The checks
search the normalized text; what they report are spans of the original one.
"""

import re
import unicodedata
from array import array
from dataclasses import dataclass

_MAX_EXPANSION = 4  # characters that one character may become: some ligatures would become 18

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""A character class of what leaves no mark on a screen: Default_Ignorable_Code_Point of Unicode, and the braille blank."""

_DROPPED = f"[{INVISIBLE}\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]"
_UNIFIED = {
    character: plain
    for plain, characters in {
        "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d",
        ".": "\u3002\uff0e\uff61\u2024\u06d4\ufe52",
        "'": "\u2018\u2019\u201a\u2032\u02bc",
        '"': "\u201c\u201d\u201e\u2033\u00ab\u00bb",
        "/": "\u2044\u2215\u29f8",
        ":": "\u2236",
        "\n": "\x0b\x0c\r\x85\u2028\u2029",
    }.items()
    for character in characters
}
_NOT_PLAIN = r"[^\n -~]"
_SPACED_LETTERS = r"(?<!\w)\S(?: \S){4,}(?!\w)"


@dataclass(frozen=True)
class NormalizedText:
    """A normalized text. `origins` has the original position of each character, or is None if nothing moved."""

    text: str
    origins: "array[int] | None" = None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original text that a non-empty span of the normalized text stands for."""
        return (start, end) if self.origins is None else (self.origins[start], self.origins[end - 1] + 1)

    def without_letter_spacing(self) -> "NormalizedText":
        """Return the text with `l i k e  t h i s` written as `like this`."""
        if re.search(_SPACED_LETTERS, self.text) is None:
            return self
        origins = self.origins or array("L", range(len(self.text)))
        text, kept, end = [], array("L"), 0
        for match in re.finditer(_SPACED_LETTERS, self.text):
            text += [self.text[end : match.start()], match[0][::2]]
            kept += origins[end : match.start()] + origins[match.start() : match.end() : 2]
            end = match.end()
        return NormalizedText("".join([*text, self.text[end:]]), kept + origins[end:])


def normalize(text: str) -> NormalizedText:
    """Return the text in NFKC (character by character), without invisible characters and combining marks.

    Digits of any script become ASCII digits. Spaces become ` `, dashes `-`, quotation marks `'` and `"`, line breaks a line feed, ideographic stops `.`.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return NormalizedText(text)
    pieces: list[str] = []
    origins = array("L")
    normalized: dict[str, str] = {}
    end = 0
    for match in re.finditer(_NOT_PLAIN, text):
        position, character = match.start(), match[0]
        if position > end:  # what is plain already is copied as a whole
            pieces.append(text[end:position])
            origins.extend(range(end, position))
        end = position + 1
        if character not in normalized:
            normalized[character] = _normalize_character(character)
        plain = normalized[character]
        pieces.append(plain)
        origins.extend([position] * len(plain))
    pieces.append(text[end:])
    origins.extend(range(end, len(text)))
    return NormalizedText("".join(pieces), origins)


def _normalize_character(character: str) -> str:
    unified = _UNIFIED.get(character)
    if unified is not None:
        return unified
    if re.match(_DROPPED, character) or unicodedata.category(character) == "Mn":
        return ""
    if character.isspace():
        return " "
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    # NFKC gives some of the characters above: U+FE31 becomes an em dash
    plain = "".join(_UNIFIED.get(part, part) for part in plain)
    return plain if len(plain) <= _MAX_EXPANSION and " " not in plain.strip(" ") else character
