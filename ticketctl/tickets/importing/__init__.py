"""Tickets from files: CSV, JSON Lines and mail, read record by record in constant memory."""
