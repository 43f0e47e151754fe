"""The database."""

from app.settings import settings
from colonnade import Database

db = Database(settings.database_url, echo=settings.echo_sql, freeze_gc=True)
