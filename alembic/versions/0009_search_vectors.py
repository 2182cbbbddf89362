"""Keep the words of each ticket in a table of their own.

An index on `tickets` for searches was written at every change of a ticket: each new version of a row computed the vector of
the whole text and added its words to the index again. The words of a ticket never change.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_VECTOR = (
    "to_tsvector('simple', regexp_replace((({0}subject || ' ') || (coalesce({0}requester, '') || ' ')) || "
    "left({0}body, 50000), '(\\W|_)+', ' ', 'g'))"
)


def upgrade() -> None:
    op.create_table(
        "search_vectors",
        sa.Column(
            "ticket_id", sa.BigInteger, sa.ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("words", postgresql.TSVECTOR, nullable=False),
    )
    op.execute(f"insert into search_vectors (ticket_id, words) select id, {_VECTOR.format('')} from tickets")  # noqa: S608 - constants
    op.create_index("search_vectors_words_idx", "search_vectors", ["words"], postgresql_using="gin")
    op.execute(
        f"""
        create function index_ticket_words() returns trigger language plpgsql as $$
        begin
          insert into search_vectors (ticket_id, words) values (new.id, {_VECTOR.format("new.")})
          on conflict (ticket_id) do update set words = excluded.words;
          return null;
        end $$
        """  # noqa: S608 - constants
    )
    op.execute(
        "create trigger index_words after insert or update of subject, requester, body on tickets "
        "for each row execute function index_ticket_words()"
    )
    op.drop_index("tickets_search_idx", "tickets")


def downgrade() -> None:
    op.create_index("tickets_search_idx", "tickets", [sa.text(_VECTOR.format(""))], postgresql_using="gin")
    op.execute("drop trigger index_words on tickets")
    op.execute("drop function index_ticket_words")
    op.drop_table("search_vectors")
