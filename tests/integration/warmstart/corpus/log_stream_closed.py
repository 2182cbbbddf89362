"""A log handler that keeps the first call's file. Measured: from the second call on, logging prints ValueError."""

import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger("audit")
log.propagate = False
FILE = Path(tempfile.gettempdir()) / f"audit-{os.getpid()}.log"


def handler(_event, _context):
    with FILE.open("w") as output:
        if not log.handlers:
            log.addHandler(logging.StreamHandler(output))
        log.warning("paid")  # cause
