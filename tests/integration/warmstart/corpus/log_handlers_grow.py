"""Adds a handler to a logger each time. Measured: six handlers after six calls, and the last call wrote six lines."""

import io
import logging


def handler(_event, _context):
    logger = logging.getLogger("billing")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(io.StringIO()))  # cause
    logger.info("called")
    return "ok"
