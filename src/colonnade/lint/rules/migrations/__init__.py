"""Rules about Alembic revisions."""
