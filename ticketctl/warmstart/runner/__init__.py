"""Runs experiments: child processes, invocations, freeze and thaw."""
