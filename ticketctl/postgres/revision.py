"""The newest migration, known without importing SQLAlchemy or Alembic."""

REVISION = "0001"
"""What `alembic_version` must hold. A test compares it with the scripts."""
