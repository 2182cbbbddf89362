"""Drop `messages.sent_at`: no statement ever wrote or read it.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Postgres only marks the column as dropped: no row is rewritten, so that this takes milliseconds at any size.
    op.drop_column("messages", "sent_at")


def downgrade() -> None:
    op.add_column("messages", sa.Column("sent_at", sa.DateTime(timezone=True)))
