"""Test our own worker and API: simulation, execution models, checks of settings and queue."""
