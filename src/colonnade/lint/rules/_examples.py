"""Code that the examples of several rules start with."""

HEAD = """
engine = create_engine("sqlite:///tasks.db")


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
"""


def models(*names: str, before: str = "") -> str:
    """Two tables and an engine, with additional names from sqlmodel and other imports."""
    functions = sorted({"create_engine", "select", *names})
    imports = ", ".join(["Field", "Relationship", "Session", "SQLModel", *functions])
    first = f"{before}\n" if before else ""
    return f"\n{first}from sqlmodel import {imports}\n{HEAD}"


SYNC = models()
ASYNC = """from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, Relationship, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
"""
ASYNC_EAGER = ASYNC.replace(
    "from sqlmodel", "from sqlalchemy.orm import selectinload\nfrom sqlmodel", 1
)
