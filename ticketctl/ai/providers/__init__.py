"""AI providers over HTTP, and the factory that makes a provider from the settings."""
