"""The server's address."""

import socket

import pytest

from ticketctl.api.server import ApiServer
from ticketctl.settings import Settings


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_the_url_names_the_address(host: str, url: str) -> None:
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    server = ApiServer(Settings(), host, 0)
    try:
        assert server.url.startswith(url)
        with socket.create_connection((host, int(server.url.rpartition(":")[2]))):
            pass
    finally:
        server.close()


def test_connections_send_small_packets_at_once() -> None:
    # asyncio sets TCP_NODELAY only on sockets that name their protocol: without it a response may be 40 ms late
    server = ApiServer(Settings(), "127.0.0.1", 0)
    try:
        assert server._socket.proto == socket.IPPROTO_TCP
    finally:
        server.close()
