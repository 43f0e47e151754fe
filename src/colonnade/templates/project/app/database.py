"""The database, and a session of it for an endpoint."""

from typing import Annotated

from fastapi import Depends

from app.settings import settings
from colonnade import AsyncSession, Database

db = Database(settings.database_url, echo=settings.echo_sql)

Session = Annotated[AsyncSession, Depends(db.get_async_session)]
