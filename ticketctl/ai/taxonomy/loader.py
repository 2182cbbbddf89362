"""Reads a taxonomy from TOML, and says where in the file what is wrong stands."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from ticketctl.ai.taxonomy.schema import Category, Taxonomy
from ticketctl.errors import ConfigError, NotFoundError

DEFAULT = Path(__file__).with_name("software_support.toml")
"""The built-in taxonomy, for software support; written to be copied and changed."""

_SHOWN = 5
_HEADER = re.compile(r"\s*\[\[?\s*(?:taxonomy\.)?([\w.-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_PROBLEM = re.compile(r"(.*) - at `(?:(?:key|\.\.\.)` in `)?\$\.?(.*)`", re.DOTALL)


@cache
def default_taxonomy() -> Taxonomy:
    """The built-in taxonomy; read once per process."""
    return msgspec.convert(_tables(_text(DEFAULT), str(DEFAULT)), Taxonomy)


def taxonomy_from_labels(labels: Iterable[str]) -> Taxonomy:
    """The built-in taxonomy with these categories in place of its own, and without its routes."""
    categories = tuple(Category(name=label) for label in sorted(set(labels)))
    return msgspec.structs.replace(default_taxonomy(), categories=categories, routes=())


def load_taxonomy_file(path: Path) -> Taxonomy:
    """The taxonomy in a TOML file, at its top level or in its table `taxonomy`.

    Raises NotFoundError where there is no such file, ConfigError where it is no taxonomy.
    """
    return parse_taxonomy(_text(path), str(path))


def parse_taxonomy(text: str, where: str) -> Taxonomy:
    """The taxonomy in a TOML text; `where` names it in errors. Raises ConfigError, with all problems in one line."""
    from ticketctl.ai.taxonomy.validation import find_problems

    data = _tables(text, where)
    try:
        taxonomy = msgspec.convert(data.get("taxonomy", data), Taxonomy)
    except msgspec.ValidationError as error:
        match = _PROBLEM.fullmatch(str(error))
        found = [(match[2], match[1])] if match else [("", str(error))]
    else:
        found = list(find_problems(taxonomy))
        if not found:
            return taxonomy
    said = [_located(text, place, problem) for place, problem in found[:_SHOWN]]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ConfigError(f"{where}: {'; '.join(said)}{more}", hint="the built-in taxonomy shows the form")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}", hint="ticketctl config init writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="it must be UTF-8 text") from error


def _tables(text: str, where: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{where} is no TOML: {error}", hint="ticketctl config init writes one to begin with"
        ) from None


def _located(text: str, place: str, problem: str) -> str:
    unknown = _UNKNOWN.fullmatch(problem)
    line = _line(text, f"{place}.{unknown[1]}".lstrip(".") if unknown else place)
    return ": ".join(part for part in (f"line {line}" if line else "", place, problem) if part)


def _line(text: str, place: str) -> int | None:
    """The line, from 1, where a place such as `routes[2].when.team` is written, or the nearest part that is."""
    lines = {written: line for line, written in reversed(list(_places(text)))}
    while place:
        if place in lines:
            return lines[place]
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return None


def _places(text: str) -> Iterator[tuple[int, str]]:
    """Each line that begins a table or sets a key, with the place that it writes."""
    counts: Counter[str] = Counter()
    table = ""
    for line, written in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(written):
            root, _, rest = header[1].partition(".")
            if not rest:
                counts[root] += 1
            numbered = f"{root}[{counts[root] - 1}]" if header[0].lstrip().startswith("[[") else root
            table = f"{table.partition('.')[0]}.{rest}" if rest else numbered
            yield line, table
        elif key := _KEY.match(written):
            yield line, f"{table}.{key[1]}".lstrip(".")
