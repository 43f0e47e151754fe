"""The rule CLN513, unmapped-model."""

from collections.abc import Iterator

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule


class UnmappedModel(SchemaRule):
    """SQLAlchemy cannot map a model to its table.

    SQLAlchemy resolves relations when the first query runs, and raises then: every query of the
    program fails, not only those of this model. Correct the model. The tables and the other models
    are still checked.
    """

    code = "CLN513"
    name = "unmapped-model"
    bad = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Tusk"] = Relationship()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
"""
    good = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table, (mapper, error) in schema.unmapped.items():
            reason = " ".join(str(error.args[0] if error.args else error).split())
            message = f"`{mapper.class_.__name__}` cannot be mapped: {reason}"
            advice = "Correct the model; rules about relations skip it until then"
            yield schema.finding(self.code, table, message, advice)
