"""FastCRUD's own router."""

import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastcrud import FilterConfig, crud_router
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.contenders.tables import Task, TaskCreate, TaskRead, TaskUpdate

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(
    url.replace("sqlite://", "sqlite+aiosqlite://"), pool_size=10, max_overflow=0
)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


app = FastAPI()
app.include_router(
    crud_router(
        session=get_session,
        model=Task,
        create_schema=TaskCreate,
        update_schema=TaskUpdate,
        select_schema=TaskRead,
        filter_config=FilterConfig(status=None),
        path="/tasks",
        tags=["tasks"],
    )
)
