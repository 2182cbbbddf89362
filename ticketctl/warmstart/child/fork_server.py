"""A process that has imported what every environment needs, and forks one for whoever asks.

Orders: `fork` (with the `kind` of environment, and two descriptors: the environment's channel, and the file that takes
its output) answers the `pid`; `reap` answers the `status` of a child that has ended, as os.waitstatus_to_exitcode gives it. When the
channel closes, so does everything that was forked.
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

GRACE = 1.0
"""Seconds that a child has to end after its channel closed, before it is killed."""


def main(descriptor: int, preload: Sequence[str]) -> None:
    """Import the modules, then serve until the channel closes."""
    for module in preload:
        # what cannot be imported here fails again in the environment, where the failure is reported
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    # Nothing that lives now can become garbage before the fork, so hiding it from the collector changes no result;
    # it saves the pages from being copied, and a census looks only at what came after.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as orders:
        _serve(orders)


def _serve(orders: socket.socket) -> None:
    children: set[int] = set()
    while True:
        order, descriptors = ipc.receive_with_descriptors(orders, 2)
        if order is None:
            break
        if order["do"] == "fork":
            pid = _fork(orders, order["kind"], *descriptors)
            children.add(pid)
            ipc.send(orders, {"pid": pid})
        else:
            ipc.send(orders, {"status": _reap(order["pid"])})
            children.discard(order["pid"])
    for pid in children:
        kill(pid)


def _fork(orders: socket.socket, kind: str, channel: int, output: int) -> int:
    pid = os.fork()
    if pid == 0:
        orders.close()
        os.setpgid(0, 0)
        redirect(output)
        (ric_host if kind == "ric_host" else environment).main(channel, [])
        os._exit(0)
    os.close(channel)
    os.close(output)
    return pid


def redirect(output: int) -> None:
    """Send standard output and error to `output`, and read nothing from standard input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)


def _reap(pid: int) -> int:
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            kill_group(pid)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    kill(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid: int) -> None:
    """End a child, and whatever it started."""
    kill_group(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    """End what a child started and left in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
