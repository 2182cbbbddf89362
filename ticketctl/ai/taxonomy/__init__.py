"""The taxonomy: categories, priorities, teams, routing rules and reply templates."""
