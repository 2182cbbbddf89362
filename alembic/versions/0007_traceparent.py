"""Keep with each message the trace that it belongs to (W3C Trace Context), if there is one.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A column without a default is an entry in the catalogue: no row is rewritten.
    op.add_column("messages", sa.Column("traceparent", sa.Text))


def downgrade() -> None:
    op.drop_column("messages", "traceparent")
