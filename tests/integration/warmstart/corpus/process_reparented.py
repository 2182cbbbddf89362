"""Starts a program in the background of a shell that ends. Measured: one process more each time, of another parent."""

import os


def handler(_event, _context):
    os.system("sleep 60 &")  # noqa: S605 a command without input from outside  # cause
