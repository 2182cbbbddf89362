"""A PgBouncer of the tests' own, on loopback, in front of a server that listens on a unix socket."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

import pytest

POOL_SIZE = 20
"""Connections to the server for each database."""


@contextmanager
def pgbouncer(
    server: str, *, files: Mapping[str, str] = MappingProxyType({}), **options: object
) -> Iterator[int]:
    """Answers the port of a PgBouncer in transaction mode; it runs under the account that owns the server's socket.

    Skips the test where the program is not installed. `options` are PgBouncer's own; `files` are put in its folder,
    `{folder}` in an option.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    sockets = Path(parse_qs(urlsplit(server).query)["host"][0])
    owner = sockets.stat()
    folder = Path(tempfile.mkdtemp(prefix="ticketctl-pgbouncer-"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": POOL_SIZE,
        "max_client_conn": 500,
    } | options
    lines = ["[databases]", f"* = host={sockets} user=postgres", "[pgbouncer]"]
    lines += [f"{name} = {value}".format(folder=folder) for name, value in settings.items()]
    for name, content in {**files, "pgbouncer.ini": "\n".join(lines)}.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
        os.chown(folder / name, owner.st_uid, owner.st_gid)
    root = os.geteuid() == 0
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if root else {}
    log = (folder / "log").open("w+")
    try:
        with (
            log,
            subprocess.Popen(
                [program, folder / "pgbouncer.ini"], stdout=log, stderr=log, **account
            ) as process,
        ):
            try:
                _wait(port, process, folder / "log")
                yield port
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder)


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise AssertionError(f"pgbouncer did not start: {log.read_text()}")


def through(port: int, url: str) -> str:
    """The same database, through the pooler."""
    return f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}"
