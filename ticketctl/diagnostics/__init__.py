"""Our own worker and API under test: simulation, execution models, checks of settings and queue."""
