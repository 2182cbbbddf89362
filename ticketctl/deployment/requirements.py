"""What a package needs of others, read from what this installation says of itself."""

import re
from collections.abc import Iterator
from importlib import metadata

_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""\s*extra\s*==\s*["'](?P<name>[\w.-]+)["']\s*""")


def requirements(extra: str | None, without: frozenset[str]) -> list[str]:
    """What ticketctl itself and one of its extras need, in pip's words, less what is named."""
    needed = []
    for told in metadata.requires("ticketctl") or ():
        what, _, marker = told.partition(";")
        named, of_extra = _NAME.match(what), _EXTRA.fullmatch(marker)
        if (named and named[0] in without) or (of_extra and of_extra["name"] != extra):
            continue
        needed.append(what.strip() if of_extra else told)
    return needed


def constraints() -> str:
    """The versions that are installed here, in pip's words: what was tried is what is packaged."""
    return "".join(sorted(f"{line}\n" for line in _installed()))


def _installed() -> Iterator[str]:
    for distribution in metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        # a local version, as of a build of one's own, is in no index
        if name and "+" not in version and name != "ticketctl":
            yield f"{name}=={version}"
