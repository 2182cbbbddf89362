"""Rewrites the syntax of newer versions of Python, so that this one can parse what else a file says.

Lines keep their numbers. f-strings and template strings become empty strings, and parameters of types are left out:
neither creates anything that is bound to an event loop.
"""

import re
import sys
from collections.abc import Sequence

PREFIX = re.compile(r"(?<!\w)([rRbBuUfFtT]{0,2})(\"\"\"|'''|\"|')")
TYPE_PARAMETERS = re.compile(
    r"^(\s*(?:(?:async\s+)?def|class)\s+\w+)\[[^\[\]\n]*(?:\[[^\[\]\n]*\][^\[\]\n]*)*\]", re.MULTILINE
)
TYPE_ALIAS = re.compile(
    r"^(\s*)type\s+(\w+)\s*(?:\[[^\[\]\n]*(?:\[[^\[\]\n]*\][^\[\]\n]*)*\])?\s*=(?!=)", re.MULTILINE
)
BARE_EXCEPT = re.compile(r"^(\s*except\*?)\s+([\w.]+(?:\s*,\s*[\w.]+)+)\s*:", re.MULTILINE)
LINE_SYNTAX: tuple[tuple[re.Pattern[str], str], ...] = (
    (TYPE_PARAMETERS, r"\1"),
    (TYPE_ALIAS, r"\1\2 ="),
    (BARE_EXCEPT, r"\1 (\2):"),
)

NEWER_SYNTAX: tuple[tuple[tuple[int, int], re.Pattern[str]], ...] = (
    # an f-string whose braces go on beyond the line, or contain the quote that encloses it
    ((3, 12), re.compile(r"""\b[rR]?[fF][rR]?(["'])[^"']*\{[^}]*(\1|$)""")),
    # parameters of types: class Box[T], def first[T](...), type Pair[T] = ...
    ((3, 12), re.compile(r"^\s*((async\s+)?def|class)\s+\w+\[|^\s*type\s+\w+\s*[\[=]")),
    # defaults of such parameters: class Box[T = int]
    ((3, 13), re.compile(r"^\s*((async\s+)?def|class|type)\s+\w+\[.*=")),
    # exceptions without parentheses, and template strings
    ((3, 14), re.compile(r"""^\s*except\*?\s+[\w.]+\s*(,\s*[A-Z\w.]*[A-Z]\w*\s*)+:|\b[rR]?[tT][rR]?["']""")),
)
"""Versions of Python, each with what a line looks like that only this one and later ones can parse."""


def is_newer(error: str, lines: Sequence[str]) -> bool:
    """Return whether lines with a syntax error may be right on a newer Python than this one."""
    versions = [version for version, pattern in NEWER_SYNTAX if any(map(pattern.search, lines))]
    if error.startswith("f-string"):
        versions.append((3, 12))
    return any(sys.version_info < version for version in versions)


def simplify(text: str) -> str:
    """Return the source text without the syntax of newer versions."""
    text = _empty_strings(text)
    for pattern, replacement in LINE_SYNTAX:
        text = pattern.sub(replacement, text)
    return text


def _empty_strings(text: str) -> str:
    """Return the text with empty strings in place of f-strings and template strings."""
    parts: list[str] = []
    start = 0
    while start < len(text):
        if text[start] == "#":
            end = _find_line_end(text, start)
        elif match := PREFIX.match(text, start):
            end = _find_end(text, match)
            if set("fFtT") & set(match[1]):
                newlines = "\n" * text.count("\n", start, end)
                parts.append(f'"""{newlines}"""' if newlines else '""')
                start = end
        else:
            end = start + 1
        parts.append(text[start:end])
        start = end
    return "".join(parts)


def _find_line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _find_end(text: str, opening: re.Match[str]) -> int:
    """Return where a string literal ends; the replacement fields of an f-string may hold strings themselves."""
    prefix, quote = opening.groups()
    has_fields = bool(set("fFtT") & set(prefix))
    position = opening.end()
    depth = 0
    while position < len(text):
        if depth and text[position] == "#" and text[position - 1].isspace():  # not the # in {number:#x}
            position = _find_line_end(text, position)
        elif depth and (inner := PREFIX.match(text, position)):
            position = _find_end(text, inner)
        elif depth:
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
        elif text[position] == "\\":
            position += 2
        elif text.startswith(quote, position):
            return position + len(quote)
        elif has_fields and text.startswith("{{", position):
            position += 2
        else:
            depth += has_fields and text[position] == "{"
            position += 1
    return len(text)
