"""Untrusted text on its way to a person: control characters are shown, never sent."""

import re

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# C0 and C1 controls, surrogates, line separators, and what reorders or hides the text around it
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str, *, multiline: bool = False) -> str:
    r"""The text with every control character written out: `\n`, `\x1b`, `\u202e`.

    With `multiline` line ends stay line ends.
    """
    if multiline:
        return "\n".join(visible(line.removesuffix("\r")) for line in text.split("\n"))
    return _HIDDEN.sub(lambda match: _NAMED.get(match[0]) or _escape(match[0]), text)


def visible_json(text: str) -> str:
    r"""The same for JSON, which means the same afterwards: by itself it escapes C0 controls alone."""
    return _HIDDEN.sub(lambda match: match[0] if match[0] == "\n" else _escape_json(match[0]), text)


def _escape_json(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _escape(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:  # noqa: PLR2004 - the widest that \x can write
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - likewise \u
