"""Run an experiment: child processes, invocations, freeze and thaw."""
