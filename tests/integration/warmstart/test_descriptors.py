"""Descriptors that a thread of the handler closes while the laboratory looks at them."""

import os
import socket

import pytest

from ticketctl.warmstart.child.invocation_cost import count_bytes_of_descriptor
from ticketctl.warmstart.child.open_fds import ConnectionCutter, peer_of


@pytest.fixture
def closed_descriptor():
    one, other = socket.socketpair()
    number = one.fileno()
    one.close()
    other.close()
    return number


def test_a_closed_connection_has_no_peer_and_no_bytes(closed_descriptor):
    assert peer_of(closed_descriptor) is None
    assert count_bytes_of_descriptor(closed_descriptor) == (0, 0)


@pytest.mark.parametrize("silently", [False, True])
def test_a_closed_connection_needs_no_cut(closed_descriptor, silently):
    ConnectionCutter().cut([closed_descriptor], silently=silently)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(closed_descriptor)
