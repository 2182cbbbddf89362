"""Escape control characters in untrusted text, so that a terminal shows them and does not obey them."""

import re

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# C0 and C1 controls, surrogates, line separators, and characters that reorder or hide the text around them
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def escape_controls(text: str, *, multiline: bool = False) -> str:
    r"""Return the text with every control character escaped: `\n`, `\x1b`, `\u202e`.

    With `multiline`, line ends stay line ends.
    """
    if multiline:
        return "\n".join(escape_controls(line.removesuffix("\r")) for line in text.split("\n"))
    return _HIDDEN.sub(lambda match: _NAMED.get(match[0]) or _escape(match[0]), text)


def escape_json_controls(text: str) -> str:
    r"""Escape control characters in JSON text without changing its meaning: an encoder escapes only C0 controls."""
    return _HIDDEN.sub(lambda match: match[0] if match[0] == "\n" else _escape_json(match[0]), text)


def _escape_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _escape(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:  # noqa: PLR2004 - the widest that \x can write
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - likewise \u
