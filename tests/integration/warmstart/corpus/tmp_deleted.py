"""Uses a temporary file and deletes it. Measured: nothing more below /tmp."""

import tempfile


def handler(_event, _context):
    with tempfile.TemporaryFile() as file:
        file.write(bytes(65_536))
