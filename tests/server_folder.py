"""Folders for the tests' own Postgres servers, and a guard that stops a server when the test run is killed.

A run that is killed never reaches the end of its fixtures. The guard (`python server_folder.py FOLDER`) holds the other
end of a pipe to the run. However the run ends, the kernel closes the pipe; then the guard stops the servers whose data
are below the folder, and removes it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS = 20
"""How long the server gets to end its connections before it is killed."""


@contextmanager
def server_folder(mode: int = 0o711) -> Iterator[Path]:
    """Make a folder that the server's own account can enter, unlike pytest's own, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="ticketctl-tests-"))
    folder.chmod(mode)
    with subprocess.Popen(
        [sys.executable, __file__, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    ):
        yield folder
        shutil.rmtree(folder)


def main(folder: Path) -> None:
    """Wait for the end of the run, then clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group
    sys.stdin.buffer.read()
    for file in folder.glob("**/postmaster.pid"):
        with suppress(OSError, ValueError):
            _stop(int(file.read_text().splitlines()[0]))
    shutil.rmtree(folder, ignore_errors=True)


def _stop(pid: int) -> None:
    for ending in (signal.SIGINT, signal.SIGQUIT):  # fast shutdown, then the immediate one
        os.kill(pid, ending)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
