"""Read mails from .eml files, mbox files and Maildir folders, one at a time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import BinaryIO

from ticketctl.tickets.importing.mail import SIZE_LIMIT, parse_date, parse_mail
from ticketctl.tickets.importing.records import Records, Refused

_HEADERS_LIMIT = 65_536
_ESCAPED_FROM = b">From "


def read_mbox(lines: BinaryIO, name: str) -> Records:
    """Yield the mails of an mbox file. What stands before the first mail is refused."""
    previous: tuple[int, bytes] | None = None
    for number, raw in _split_mbox(lines):
        if previous is not None:
            yield parse_mail(previous[1], f"{name}:{previous[0]}")
        elif number == 0:
            yield Refused(place=f"{name}:1", reason="it is not an mbox file: it does not begin with From")
            return
        previous = number, raw
    if previous is not None:
        yield parse_mail(previous[1], f"{name}:{previous[0]}", is_last=True)


def _split_mbox(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each mail with the number of its first line; 0 for content before the first mail.

    Of a mail that is too large only the beginning is kept: enough to see that it is.
    """
    collected: list[bytes] = []
    size, start, number, is_after_blank = 0, 0, 0, True
    while line := lines.readline(SIZE_LIMIT):
        number += 1
        if is_after_blank and line.startswith(b"From "):
            if start or collected:
                yield start, b"".join(collected)
            collected, size, start, is_after_blank = [], 0, number, False
            continue
        is_after_blank = not line.strip()
        if not start and is_after_blank:
            continue
        if size <= SIZE_LIMIT:
            collected.append(line[1:] if line.startswith(_ESCAPED_FROM) else line)
            size += len(line)
    if start or collected:
        yield start, b"".join(collected)


def read_mail_file(path: Path) -> Records:
    """Yield the mail of one file."""
    with path.open("rb") as file:
        raw = file.read(SIZE_LIMIT + 1)
    yield parse_mail(raw, path.name, is_last=True)


def read_mail_folder(paths: list[Path]) -> Records:
    """Yield the mails of a folder by their dates, so that replies follow the mails that they answer."""
    for path in sorted(paths, key=lambda one: (_read_date(one), one.name)):
        try:
            yield from read_mail_file(path)
        except OSError as error:
            yield Refused(place=path.name, reason=f"it cannot be read: {error.strerror}")


def list_mails(folder: Path) -> list[Path]:
    """Return the mail files of a folder: those of a Maildir, else all that end with .eml."""
    if (folder / "cur").is_dir() or (folder / "new").is_dir():
        inside = [folder / name for name in ("new", "cur") if (folder / name).is_dir()]
        return [path for one in inside for path in one.iterdir() if path.is_file()]
    return [path for path in folder.rglob("*.eml") if path.is_file()]


def _read_date(path: Path) -> datetime:
    try:
        with path.open("rb") as file:
            headers = BytesHeaderParser().parsebytes(file.read(_HEADERS_LIMIT))
        moment = parse_date(str(headers["date"]))
    # headers may be malformed in many ways
    except (OSError, ValueError, TypeError, OverflowError, IndexError):
        moment = None
    return moment or datetime.min.replace(tzinfo=UTC)
