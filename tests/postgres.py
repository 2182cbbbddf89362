"""A Postgres for tests, with options that the embedded server does not offer."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres(programs: Path, data: Path, **options: object) -> Iterator[str]:
    """Run a server on a data folder, under the account that owns the folder.

    Yields the superuser's URL over the Unix socket. `options` are the server's settings; they include `port` and
    `unix_socket_directories`, a single folder.
    """
    folder = options["unix_socket_directories"]
    chosen = {"fsync": "off"} | options
    command = [programs / "postgres", "-D", data]
    command += [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    ready = [programs / "pg_isready", "-h", str(folder), "-p", str(options["port"])]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **account_of(data)
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while subprocess.run(ready, capture_output=True, check=False).returncode:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server did not get ready"
                time.sleep(0.02)
            yield f"postgresql://postgres@/postgres?host={folder}&port={options['port']}"
        finally:
            process.send_signal(signal.SIGINT)


def account_of(path: Path) -> dict[str, Any]:
    """Return Popen arguments for the account that owns a file: its folder, an empty environment."""
    owner = path.stat()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"cwd": path.parent, "env": {}} | account
