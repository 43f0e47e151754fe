"""starlette-admin on the table of tasks, with the columns that Studio shows."""

import os

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine
from starlette_admin.contrib.sqla import Admin, ModelView

from benchmarks.contenders.colonnade_app import Task

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(
    url.replace("sqlite://", "sqlite+aiosqlite://"), pool_size=10, max_overflow=20
)
app = FastAPI()


class TaskView(ModelView):
    fields = ("id", "title", "status", "priority", "progress_percent", "project_id",
              "created_at", "updated_at")  # fmt: skip
    page_size = 50
    page_size_options = (50,)


admin = Admin(engine)
admin.add_view(TaskView(Task))
admin.mount_to(app)
