"""Forks, and returns from both processes. Measured: both go on to answer."""

import os


def handler(_event, _context):
    return os.fork() > 0  # cause
