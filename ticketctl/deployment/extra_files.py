"""The user's own files in a package, such as a taxonomy; they land beside the handler's module."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ticketctl.errors import InvalidInputError
from ticketctl.postgres.address import Address
from ticketctl.settings import FILE, SECRETS


def read_extra_files(paths: Sequence[Path]) -> Mapping[str, bytes]:
    """Return the contents of the files by their names in the package.

    Raises:
        InvalidInputError: A file cannot be read, two files share a name, or ticketctl.toml contains a secret.
    """
    read: dict[str, bytes] = {}
    for path in paths:
        if path.name in read:
            raise InvalidInputError(
                f"two files are called {path.name}",
                hint="all files land in one folder of the package; rename one of them",
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
    """Raise InvalidInputError for secrets: everyone who may read the function's code can read its package."""
    try:
        values = tomllib.loads(settings.decode())
    except ValueError as error:
        raise InvalidInputError(f"{FILE} cannot be read: {error}", hint="correct the file") from None
    secrets = [name for name in values if name in SECRETS]
    url = values.get("database_url")
    if isinstance(url, str) and url and Address.parse(url).password is not None:
        secrets.append("database_url")
    if secrets:
        raise InvalidInputError(
            f"{FILE} contains a secret, {secrets[0]}; a package must not",
            hint="remove it; the template refers to the database's secret",
        )
