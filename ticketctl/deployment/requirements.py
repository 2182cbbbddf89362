"""The dependencies of a package, read from the metadata of this installation."""

import re
from collections.abc import Collection, Iterator
from importlib import metadata

_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""\s*extra\s*==\s*["'](?P<name>[\w.-]+)["']\s*""")


def list_requirements(extras: Collection[str], without: frozenset[str]) -> list[str]:
    """Return the requirements of ticketctl and some of its extras, in pip's syntax, without the distributions named."""
    needed = []
    for requirement in metadata.requires("ticketctl") or ():
        specifier, _, marker = requirement.partition(";")
        named, of_extra = _NAME.match(specifier), _EXTRA.fullmatch(marker)
        if (named and named[0] in without) or (of_extra and of_extra["name"] not in extras):
            continue
        needed.append(specifier.strip() if of_extra else requirement)
    return needed


def list_constraints() -> str:
    """Return the installed versions in pip's syntax, so that a package holds the versions that were tested here."""
    return "".join(sorted(f"{line}\n" for line in _installed()))


def _installed() -> Iterator[str]:
    for distribution in metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        # a local version, of a build of one's own, is in no package index
        if name and "+" not in version and name != "ticketctl":
            yield f"{name}=={version}"
