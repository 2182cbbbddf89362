"""Conversion of command-line values, in place of Typer's.

Typer converts every value with pydantic. Importing pydantic takes longer than everything else that a short command
does before it reaches the database, and pydantic's messages name its types instead of what to type. The commands
here take text, numbers, paths, flags and words from a list, which need neither.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args

import typer

Number = TypeVar("Number", int, float)
_TYPE_NAMES = MappingProxyType({str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "FILE"})
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


def adapt(command: Any) -> None:
    """Convert values, and name types in the help, by this module in a command and all its subcommands."""
    for parameter in command.params:
        _adapt_parameter(parameter)
    make_help_option = command.get_help_option

    def get_help_option(context: Any) -> Any:
        # Typer makes --help when it first parses; it is not among the command's parameters
        return _adapt_parameter(make_help_option(context))

    command.get_help_option = get_help_option
    for subcommand in getattr(command, "commands", {}).values():
        adapt(subcommand)


def _adapt_parameter(parameter: Any) -> Any:
    converter = _Converter(parameter.type_descriptor)
    # Typer asks the parameter itself for its converter each time it parses a value
    parameter.get_runtime_param = lambda: converter
    if parameter.metavar is None:
        parameter.metavar = converter.type_name
    if parameter.param_type_name == "argument":
        # an argument's metavar is its name; Typer would show Python's type behind it
        parameter.display_type_rich = lambda ctx: None  # noqa: ARG005 - as Typer calls it
    return parameter


@dataclass(frozen=True, slots=True)
class _Converter:
    """Converts the values of one parameter, as Typer's `RuntimeParam` does."""

    descriptor: Any
    """Typer's `TypeDescriptor`: annotation, and the limits that the option declares."""

    @property
    def type_name(self) -> str | None:
        """The word that the help shows for a value."""
        kind = self._kind
        if isinstance(kind, type) and issubclass(kind, Enum):
            return f"[{'|'.join(member.value for member in kind)}]"
        return _TYPE_NAMES.get(kind)

    @property
    def _kind(self) -> Any:
        """The type of one value."""
        annotation = self.descriptor.annotation
        return get_args(annotation)[0] if self.descriptor.is_list else annotation

    def coerce(self, value: Any, *, param: Any, ctx: typer.Context) -> Any:
        """Return the value, or the list of values, as the command gets it. Raises BadParameter."""
        if value is None:
            return () if self.descriptor.is_list else None
        try:
            if self.descriptor.is_list:
                return [self._convert(one) for one in value]
            return self._convert(value)
        except _UnusableError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from None

    def _convert(self, value: Any) -> Any:
        kind, info = self._kind, self.descriptor.parameter_info
        if info.parser is not None and isinstance(value, str):
            return info.parser(value)
        if isinstance(value, kind) or not isinstance(value, str):
            return value
        if issubclass(kind, Enum):
            return _member(kind, value)
        return _CONVERSIONS[kind](value, info)


class _UnusableError(Exception):
    """A value that its parameter cannot take."""


def _member(kind: type[Enum], text: str) -> Enum:
    for member in kind:
        if member.value == text:
            return member
    raise _UnusableError(f"{text!r} is not one of {', '.join(member.value for member in kind)}")


def _whole_number(text: str, limits: Any) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,40}", text):
        raise _UnusableError(f"{text!r} is not a whole number")
    return _in_range(int(text), limits)


def _number(text: str, limits: Any) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _UnusableError(f"{text!r} is not a number")
    return _in_range(number, limits)


def _in_range(number: Number, limits: Any) -> Number:
    least, most = limits.min, limits.max
    if least is not None and number < least:
        raise _UnusableError(f"{number:g} is less than {least:,}")
    if most is not None and number > most:
        raise _UnusableError(f"{number:g} is more than {most:,}")
    return number


def _flag(text: str, _: Any) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise _UnusableError(f"{text!r} is neither yes nor no")
    return word in _TRUE


def _path(text: str, limits: Any) -> Path:
    path = Path(text)
    if limits.exists and not path.exists():
        raise _UnusableError(f"there is no {'file' if limits.file_okay else 'folder'} {text}")
    if not limits.file_okay and path.is_file():
        raise _UnusableError(f"{text} is a file, not a folder")
    if not limits.dir_okay and path.is_dir():
        raise _UnusableError(f"{text} is a folder, not a file")
    return path


_CONVERSIONS: MappingProxyType[Any, Callable[[str, Any], Any]] = MappingProxyType(
    {int: _whole_number, float: _number, bool: _flag, Path: _path}
)
