import os
from typing import Any

from sqlalchemy import event
from sqlmodel import Session, create_engine

URL = os.environ.get("DATABASE_URL", "sqlite:///app.db")
engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg://"))

if engine.dialect.name == "sqlite":

    @event.listens_for(engine, "connect")
    def enforce_foreign_keys(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")


session = Session(engine)
