"""How the worker processes a batch of messages."""
