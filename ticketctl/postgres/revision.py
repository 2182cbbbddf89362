"""The newest migration's revision, in a module that imports neither SQLAlchemy nor Alembic."""

REVISION = "0009"
"""The required content of `alembic_version`. A test compares it with the migration scripts."""
