"""Run a taxonomy's own regular expressions so that no ticket text makes them backtrack for long.

Python's engine takes exponential time for `(a+)+$`. An expression in which each character decides how the match goes
on never backtracks far: Python runs it. Any other runs on RE2, which is linear but has no lookarounds and no
backreferences; without the package google-re2 it is refused when the taxonomy is loaded.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

MAX_PATTERN = 500
"""The most characters of an expression."""
MAX_SEARCHED = 200
"""The most characters of an entity, or after a keyword, that an expression is applied to."""

_MAX_CHOICES = 1_000  # combinations of ambiguous repetitions that Python may try for one match
_MAX_UNBOUNDED = 100  # repetitions beyond this count as unbounded
_OTHER = 128  # stands for every character that is not ASCII
_ALL = (1 << (_OTHER + 1)) - 1
_SPACES = sum(1 << ord(space) for space in " \t\n\r\f\v")


def find_regex_problem(pattern: str) -> str | None:
    """Return why an expression cannot be used, or None if it can."""
    if len(pattern) > MAX_PATTERN:
        return f"a regular expression has at most {MAX_PATTERN} characters"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a regular expression: {error}"
    if is_safe_to_backtrack(pattern):
        return None
    try:
        _compile_re2(pattern)
    except ImportError:
        return (
            "this regular expression could take very long for some texts: avoid a repetition inside a repetition, "
            "and repetitions that can match the same characters one after the other, or pip install google-re2"
        )
    except ValueError as error:
        return f"RE2 cannot run this regular expression: {error}"
    return None


def search(pattern: str, text: str) -> bool:
    """Tell whether an expression matches anywhere in the first MAX_SEARCHED characters of a text."""
    if is_safe_to_backtrack(pattern):
        return re.search(pattern, text[:MAX_SEARCHED]) is not None
    return _compile_re2(pattern).search(text[:MAX_SEARCHED]) is not None


def match_word(pattern: str, text: str, start: int) -> int | None:
    """Return where a match ends that begins at `start` and ends with a word, regardless of case; for RE2 only."""
    match = _compile_re2(rf"(?i)({pattern})(?:[^\pL\pN_]|\z)").match(text[start : start + MAX_SEARCHED])
    return None if match is None else start + int(match.end(1))


@cache
def is_safe_to_backtrack(pattern: str) -> bool:
    """Tell whether Python's engine takes a time linear in the text for each place at which a match may begin."""
    parsed = import_module("re._parser").parse(pattern, re.IGNORECASE)
    try:
        return _Analysis().run(parsed)
    except _AmbiguousError:
        return False


@cache
def _compile_re2(pattern: str) -> Any:
    import re2

    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise ValueError(str(error)) from None


class _AmbiguousError(Exception):
    """The expression can match the same text in too many ways."""


class _Analysis:
    """Checks that each character decides how a match goes on. Character sets are bit masks, the last bit for non-ASCII."""

    def __init__(self) -> None:
        self._choices = 1

    def run(self, parsed: Any) -> bool:
        self._check(list(parsed), follow=0, in_loop=False)
        return self._choices <= _MAX_CHOICES

    def _check(self, items: Sequence[Any], follow: int, *, in_loop: bool) -> None:
        for index, (operation, argument) in enumerate(items):
            after, is_nullable = _first(items[index + 1 :])
            self._check_item(
                str(operation), argument, after | (follow if is_nullable else 0), in_loop=in_loop
            )

    def _check_item(self, operation: str, argument: Any, follow: int, *, in_loop: bool) -> None:
        if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            least, most, body = argument
            self._check_repeat(least, most, body, follow, in_loop=in_loop)
        elif operation == "SUBPATTERN":
            self._check(list(argument[3]), follow, in_loop=in_loop)
        elif operation == "ATOMIC_GROUP":
            self._check(list(argument), follow, in_loop=in_loop)
        elif operation == "BRANCH":
            seen = 0
            for alternative in argument[1]:
                characters, is_nullable = _first(list(alternative))
                if in_loop and (is_nullable or characters & seen):
                    raise _AmbiguousError
                seen |= characters
                self._check(list(alternative), follow, in_loop=in_loop)
        elif operation in {"GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"}:
            raise _AmbiguousError

    def _check_repeat(self, least: int, most: int, body: Any, follow: int, *, in_loop: bool) -> None:
        characters, is_nullable = _first(list(body))
        is_loop = int(most) > 1
        if int(most) > _MAX_UNBOUNDED and (characters & _SPACES or is_nullable):
            raise _AmbiguousError  # it would run on over the whole text, from every place
        if is_loop and is_nullable:
            raise _AmbiguousError
        if int(most) != int(least) and characters & follow:
            if in_loop or int(most) > _MAX_UNBOUNDED:
                raise _AmbiguousError
            self._choices *= int(most) - int(least) + 1
        self._check(list(body), follow | (characters if is_loop else 0), in_loop=in_loop or is_loop)


def _first(items: Sequence[Any]) -> tuple[int, bool]:
    """Return the characters that a sequence can begin with, and whether it can match nothing."""
    mask = 0
    for operation, argument in items:
        characters, is_nullable = _first_of_item(str(operation), argument)
        mask |= characters
        if not is_nullable:
            return mask, False
    return mask, True


def _first_of_item(operation: str, argument: Any) -> tuple[int, bool]:
    if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        mask, is_nullable = _first(list(argument[2]))
        return mask, is_nullable or int(argument[0]) == 0
    if operation == "SUBPATTERN":
        return _first(list(argument[3]))
    if operation == "ATOMIC_GROUP":
        return _first(list(argument))
    if operation == "BRANCH":
        firsts = [_first(list(alternative)) for alternative in argument[1]]
        mask = 0
        for characters, _ in firsts:
            mask |= characters
        return mask, any(is_nullable for _, is_nullable in firsts)
    if operation == "AT":
        return 0, True
    return _characters(operation, argument), False


def _characters(operation: str, argument: Any) -> int:
    """Return the characters that one item matches, without regard to case; all of them for an unknown item."""
    if operation == "LITERAL":
        return _fold(1 << min(int(argument), _OTHER))
    if operation == "IN":
        mask, is_negated = 0, False
        for part, value in argument:
            if str(part) == "NEGATE":
                is_negated = True
            elif str(part) == "RANGE":
                low, high = (min(int(end), _OTHER) for end in value)
                mask |= (1 << (high + 1)) - (1 << low)
            elif str(part) == "CATEGORY":
                mask |= _category(str(value))
            else:
                mask |= _characters(str(part), value)
        mask = _fold(mask)
        return (_ALL & ~mask) | (1 << _OTHER) if is_negated else mask
    return _ALL


def _category(name: str) -> int:
    characters = [chr(code) for code in range(_OTHER)]
    members = {
        "DIGIT": [character for character in characters if character.isdigit()],
        "SPACE": [character for character in characters if character.isspace()],
        "WORD": [character for character in characters if character.isalnum() or character == "_"],
    }.get(name.rpartition("_")[2])
    if members is None:
        return _ALL
    mask = sum(1 << ord(character) for character in members)
    return (_ALL & ~mask if "_NOT_" in name else mask) | 1 << _OTHER


def _fold(mask: int) -> int:
    """Add the other case of each letter; letters such as the Kelvin sign fold to ASCII ones."""
    for code in range(ord("a"), ord("z") + 1):
        pair = 1 << code | 1 << (code - 32)
        if mask & pair:
            mask |= pair
    return mask | (1 << _OTHER if mask & (1 << ord("k") | 1 << ord("s") | 1 << ord("i")) else 0)
