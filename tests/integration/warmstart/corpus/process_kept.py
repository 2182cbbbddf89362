"""Starts a program without pipes each time. Measured: one process more each time."""

import subprocess

kept = []


def handler(_event, _context):
    kept.append(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL))  # cause
