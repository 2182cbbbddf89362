"""Everything of Postgres: engines and pools, the schema, all SQL on tickets, migrations, the embedded server."""
