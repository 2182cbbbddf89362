"""Where messages wait for a worker."""
