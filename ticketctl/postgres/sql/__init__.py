"""All SQL statements on tickets, messages and attempts."""
