"""A TCP proxy for a server that listens only on a Unix socket. It uses threads, so no event loop interferes with tests."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread


@contextmanager
def tcp_proxy(target: Path) -> Iterator[int]:
    """Forward each connection to a port on 127.0.0.1 to the Unix socket `target`; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        Thread(target=_accept, args=(door, target), daemon=True).start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)


def _accept(door: socket.socket, target: Path) -> None:
    with suppress(OSError):  # the listener was closed
        while True:
            client, _ = door.accept()
            Thread(target=_serve, args=(client, target), daemon=True).start()


def _serve(client: socket.socket, target: Path) -> None:
    """Forward in both directions until either side has ended."""
    with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
        server.connect(str(target))
        sinks = {client: server, server: client}
        while True:
            readable, _, _ = select.select(sinks, (), ())
            for source in readable:
                data = source.recv(65_536)
                if not data:
                    return
                sinks[source].sendall(data)
