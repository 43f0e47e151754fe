"""Alembic's entry point: the database, the models and the comparison options."""

from alembic import context

from colonnade.migrations import connect, options_for

with connect(context.config) as connection:
    if context.is_offline_mode():  # alembic upgrade --sql
        context.configure(
            dialect_name=connection.dialect.name, literal_binds=True, **options_for(context.config)
        )
    else:
        context.configure(connection=connection, **options_for(context.config))
    with context.begin_transaction():
        context.run_migrations()
