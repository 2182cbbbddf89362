"""Handlers that leave something behind that goes off by itself, and handlers that do not."""

import asyncio
import contextlib
import functools
import signal
import socket
import socketserver
import tempfile
import threading
import time

SECONDS = 1.4
"""Long enough to be armed still when the freeze begins on a busy machine, and short enough to end in the pause before it."""
runner = asyncio.Runner()
done = threading.Event()
tasks = set()


def interrupt(_number, _frame):
    raise TimeoutError("the time is over")


def finish():
    done.set()


async def finish_later():
    await asyncio.sleep(SECONDS)
    finish()


async def call_later():
    asyncio.get_running_loop().call_later(SECONDS, finish)


async def start_task():
    task = asyncio.create_task(finish_later())
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def leaves_alarm(_event, _context):
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 2.0)


def cancels_alarm(_event, _context):
    leaves_alarm(_event, _context)
    signal.setitimer(signal.ITIMER_REAL, 0)


def leaves_callback(_event, _context):
    runner.run(call_later())


def leaves_task(_event, _context):
    runner.run(start_task())


def leaves_thread(_event, _context):
    threading.Timer(SECONDS, finish).start()


def leaves_thread_for_a_moment(_event, _context):
    threading.Timer(0.5, finish).start()


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            for line in self.rfile:
                self.wfile.write(line)


@functools.cache
def start_server():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address


connection = {"used": float("-inf")}


def reconnects_after_idle_time(_event, _context):
    """A thread of the server waits for the connection, and ends in the invocation that closes it."""
    if time.monotonic() - connection["used"] > 0.8:
        if "file" in connection:
            connection.pop("file").close()
        with socket.create_connection(start_server()) as made:
            connection["file"] = made.makefile("rwb")
    connection["file"].write(b"ping\n")
    connection["file"].flush()
    assert connection["file"].readline() == b"ping\n"
    connection["used"] = time.monotonic()


def writes_the_same_file(_event, _context):
    with open("/tmp/laboratory-shared", "w") as file:  # noqa: S108, PTH123 the same name for all is the point
        file.write("x")


def writes_its_own_file(_event, _context):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")


def view():
    return object()


async def async_view():
    await asyncio.sleep(0)
    return object()


def command():
    raise SystemExit(0)


def failing_command():
    with contextlib.suppress(ValueError):
        time.sleep(0)
    raise SystemExit(2)
