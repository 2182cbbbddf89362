"""Appends a line of a few bytes to a log below /tmp. Measured: 27 bytes more each time, in the one block of the file."""

import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger("orders")
log.addHandler(logging.FileHandler(Path(tempfile.gettempdir()) / f"orders-{os.getpid()}.log"))
log.setLevel(logging.INFO)
log.propagate = False


def handler(_event, _context):
    log.info("a few bytes for each order")
