"""A cache of connections with a bound. Measured: six connections after six calls, and no more after thirty."""

import functools
import http.client
import os
from urllib.parse import urlsplit

calls = 0


@functools.lru_cache(maxsize=8)
def connect(_tenant):
    connection = http.client.HTTPConnection(urlsplit(os.environ["HTTP"]).netloc, timeout=5)
    connection.connect()
    return connection


def handler(_event, _context):
    global calls
    calls += 1
    connection = connect(calls % 6)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()
