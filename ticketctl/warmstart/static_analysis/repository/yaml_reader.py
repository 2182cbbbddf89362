"""Nested mappings of a YAML file, read by indentation.

Deployment files need no more than that: block mappings and plain values, each with its line. Anchors, multi-line
values and flow collections stay text. A YAML library would be a dependency of every installation.
"""

import re
from typing import Any, Self

LINE = re.compile(
    r"^(?P<indent> *)(?P<dashes>(?:- +)*)(?P<key>[^\s#:'\"][^:#]*?|'[^']+'|\"[^\"]+\"):(?:\s+(?P<value>.*))?$"
)
ITEM = re.compile(r"^(?P<indent> *)- +(?P<value>[^:#]+?)\s*$")


class Scalar(str):
    """A value with the number of its line."""

    __slots__ = ("line",)
    line: int

    def __new__(cls, value: str, line: int) -> Self:
        """Return the value without quotes."""
        made = super().__new__(cls, value.strip().strip("'\""))
        made.line = line
        return made


def read_yaml(text: str) -> dict[str, Any]:
    """Return the mappings of a YAML document; the items of a list are under the keys "-LINE"."""
    root: dict[str, Any] = {}
    stack: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for number, line in enumerate(text.splitlines(), 1):
        match = LINE.match(line.expandtabs().rstrip())
        if match is None:
            _read_item(stack, line, number)
            continue
        indent = len(match["indent"])
        for dash in re.finditer("- +", match["dashes"]):
            _descend(stack, indent, f"-{number}")
            indent += len(dash.group())
        key, value = match["key"].strip("'\" "), (match["value"] or "").split(" #")[0].strip()
        while stack[-1][0] >= indent:
            stack.pop()
        parent = stack[-1][1]
        if value and not value.startswith(("&", "|", ">")):
            parent[key] = Scalar(value, number)
        else:
            below: dict[str, Any] = {}
            parent[key] = below
            stack.append((indent, below))
    return root


def _descend(stack: list[tuple[int, dict[str, Any]]], indent: int, key: str) -> None:
    while stack[-1][0] >= indent:
        stack.pop()
    below: dict[str, Any] = {}
    stack[-1][1][key] = below
    stack.append((indent, below))


def _read_item(stack: list[tuple[int, dict[str, Any]]], line: str, number: int) -> None:
    """Add a plain item of a list, such as a container's command, to the mapping it stands in."""
    match = ITEM.match(line.rstrip())
    if match and len(match["indent"]) >= stack[-1][0]:
        stack[-1][1].setdefault(f"-{number}", Scalar(match["value"], number))
