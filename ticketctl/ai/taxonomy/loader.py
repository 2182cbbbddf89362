"""Load a taxonomy from TOML; errors name the line and the key."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from ticketctl.ai.taxonomy.schema import PATTERN_MEANINGS, Category, Taxonomy
from ticketctl.errors import ConfigError, explain_validation_error
from ticketctl.settings import parse_toml, read_toml_text

DEFAULT = Path(__file__).with_name("software_support.toml")
"""The built-in taxonomy, for software support; users copy and change it."""

_DEFAULT_JSON = DEFAULT.with_suffix(".json")
"""The built-in taxonomy again: a cold start reads JSON fifty times faster than TOML."""

_MAX_PROBLEMS = 5  # that one error lists
_MAX_PROBLEM = 400  # characters of one
_HEADER = re.compile(r"\s*\[\[?\s*(?:taxonomy\.)?([\w.-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")


@cache
def default_taxonomy() -> Taxonomy:
    """Return the built-in taxonomy; it is loaded once per process."""
    return msgspec.json.decode(_DEFAULT_JSON.read_bytes(), type=Taxonomy)


def write_default_json() -> None:
    """Write the built-in taxonomy, which people read as TOML, as the JSON that programs read."""
    _DEFAULT_JSON.write_bytes(msgspec.json.encode(load_taxonomy_file(DEFAULT)) + b"\n")


def taxonomy_from_labels(labels: Iterable[str]) -> Taxonomy:
    """Return the built-in taxonomy with these labels as its categories, and nothing that depends on them."""
    categories = tuple(Category(name=label) for label in sorted(set(labels)))
    return msgspec.structs.replace(
        default_taxonomy(), categories=categories, routes=(), kinds=(), languages=(), other=()
    )


def load_taxonomy_file(path: Path) -> Taxonomy:
    """Return the taxonomy in a TOML file, at its top level or in its table `taxonomy`.

    Raises ConfigError if the file does not exist or contains no valid taxonomy.
    """
    return parse_taxonomy(_read_text(path), str(path))


def parse_taxonomy(text: str, where: str) -> Taxonomy:
    """Return the taxonomy in a TOML text; `where` names it in errors. Raises ConfigError with all problems in one line."""
    from ticketctl.ai.taxonomy.validation import find_problems

    data = parse_toml(text, where)
    try:
        taxonomy = msgspec.convert(data.get("taxonomy", data), Taxonomy)
    except msgspec.ValidationError as error:
        found = [explain_validation_error(str(error), PATTERN_MEANINGS)]
    else:
        found = list(find_problems(taxonomy))
        if not found:
            return taxonomy
    shown = [_with_line(text, path, problem)[:_MAX_PROBLEM] for path, problem in found[:_MAX_PROBLEMS]]
    more = f"; and {len(found) - _MAX_PROBLEMS} more" if len(found) > _MAX_PROBLEMS else ""
    raise ConfigError(
        f"{where}: {'; '.join(shown)}{more}",
        hint="compare it with the built-in taxonomy: ticketctl config init writes a copy",
    )


def _read_text(path: Path) -> str:
    if not path.exists():
        raise ConfigError(f"there is no file {path}", hint="write one with ticketctl config init")
    return read_toml_text(path)


def _with_line(text: str, path: str, problem: str) -> str:
    line = _find_line(text, path)
    return ": ".join(part for part in (f"line {line}" if line else "", path, problem) if part)


def _find_line(text: str, path: str) -> int | None:
    """Return the line, from 1, that sets a path such as `routes[2].when.team`, or its nearest parent."""
    lines = {written: line for line, written in reversed(list(_key_paths(text)))}
    while path:
        if path in lines:
            return lines[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None


def _key_paths(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that opens a table or sets a key, with the path that it sets."""
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
