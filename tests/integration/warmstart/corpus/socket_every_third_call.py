"""One connection more every third call. Measured: ten sockets after thirty calls."""

import os
import socket
from urllib.parse import urlsplit

calls = 0
kept = []


def handler(_event, _context):
    global calls
    calls += 1
    if calls % 3 == 0:
        address = urlsplit(os.environ["HTTP"])
        kept.append(socket.create_connection((address.hostname, address.port)))  # cause
