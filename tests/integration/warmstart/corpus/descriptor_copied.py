"""Copies a descriptor each time, and does not close the copy. Measured: five descriptors more after five calls."""

import os


def handler(_event, _context):
    copy = os.dup(1)  # cause
    os.write(copy, b"")
