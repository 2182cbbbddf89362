"""Keeps both ends of a socket pair each time. Measured: ok five times, and two descriptors more each time."""

import socket

kept = []


def handler(_event, _context):
    kept.append(socket.socketpair())  # cause
