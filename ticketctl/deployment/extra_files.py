"""Files of the user's own that go into a package, beside the handler's module."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ticketctl.errors import InvalidInputError
from ticketctl.postgres.address import Address
from ticketctl.settings import FILE, SECRETS


def included(paths: Sequence[Path]) -> Mapping[str, bytes]:
    """The files by their names in the package.

    Raises:
        InvalidInputError: One cannot be read, two have one name, or a ticketctl.toml holds a secret.
    """
    read: dict[str, bytes] = {}
    for path in paths:
        if path.name in read:
            raise InvalidInputError(
                f"two files are called {path.name}", hint="a package has one folder for all"
            )
        try:
            read[path.name] = path.read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"{path} cannot be read: {error.strerror}", hint="--include names a file"
            ) from None
    if FILE in read:
        _refuse_secrets(read[FILE])
    return read


def _refuse_secrets(settings: bytes) -> None:
    """A package lies in a bucket, and whoever may read the function's code reads it."""
    try:
        values = tomllib.loads(settings.decode())
    except ValueError as error:
        raise InvalidInputError(f"{FILE} cannot be read: {error}", hint="mend the file") from None
    secrets = [name for name in values if name in SECRETS]
    url = values.get("database_url")
    if isinstance(url, str) and url and Address.parse(url).password is not None:
        secrets.append("database_url")
    if secrets:
        raise InvalidInputError(
            f"{FILE} holds a secret, {secrets[0]}, and a package is no place for one",
            hint="take it out; the template passes the database's by reference",
        )
