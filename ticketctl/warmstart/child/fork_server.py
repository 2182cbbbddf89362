"""A process that has imported what every environment needs, and forks an environment for each request.

Requests: `fork`, with the `kind` of environment and two descriptors (the environment's channel, and the file for its
output), is answered with the `pid`; `reap` with the exit `status` of a child, as os.waitstatus_to_exitcode returns it.
When the channel closes, the server ends all that it forked.
"""

import contextlib
import gc
import importlib
import os
import signal
import socket
import time
from collections.abc import Sequence

from . import environment, ipc, ric_host

GRACE_PERIOD = 1.0
"""Seconds after its channel closed that a child has to end before it is killed."""
POLL_INTERVAL = 0.001


def main(descriptor: int, preload: Sequence[str]) -> None:
    """Import the modules, then serve until the channel closes."""
    for module in preload:
        # an import that fails here fails again in the environment, which reports it
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    # What lives now cannot become garbage before the fork, so hiding it from the collector changes no result. It keeps
    # the collector from writing to its pages, which fork shares, and a census examines only later objects.
    gc.collect()
    gc.freeze()
    with ipc.open_channel(descriptor) as channel:
        _serve(channel)


def _serve(channel: socket.socket) -> None:
    children: set[int] = set()
    while True:
        request, descriptors = ipc.receive_with_descriptors(channel, 2)
        if request is None:
            break
        if request["command"] == "fork":
            pid = _fork(channel, request["kind"], *descriptors)
            children.add(pid)
            ipc.send(channel, {"pid": pid})
        else:
            ipc.send(channel, {"status": _reap(request["pid"])})
            children.discard(request["pid"])
    for pid in children:
        _kill(pid)


def _fork(server_channel: socket.socket, kind: str, channel: int, output: int) -> int:
    pid = os.fork()
    if pid == 0:
        server_channel.close()
        os.setpgid(0, 0)
        _redirect(output)
        (ric_host if kind == "ric_host" else environment).main(channel, [])
        os._exit(0)
    os.close(channel)
    os.close(output)
    return pid


def _redirect(output: int) -> None:
    """Send standard output and error to `output`, and read nothing from standard input."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)


def _reap(pid: int) -> int:
    deadline = time.monotonic() + GRACE_PERIOD
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _kill_group(pid)
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_INTERVAL)
    _kill(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _kill(pid: int) -> None:
    """Kill a child, and the processes that it started."""
    _kill_group(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    """Kill the processes that a child started and left in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
