"""Keep with each change the command or request that made it, so that it can be undone as a whole.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A column without a default is an entry in the catalogue: no row is rewritten.
    op.add_column("changes", sa.Column("operation", sa.BigInteger))
    # Only people's changes have a number: the changes of workers cost the index nothing.
    op.create_index(
        "changes_operation_idx",
        "changes",
        ["operation", "id"],
        postgresql_where=sa.text("operation is not null"),
    )


def downgrade() -> None:
    op.drop_index("changes_operation_idx", "changes")
    op.drop_column("changes", "operation")
