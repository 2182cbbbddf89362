"""Tickets: the domain model, and what people and operators do with tickets."""
