"""Attributes of rows: changes inside arrays are saved."""

import pytest
import sqlalchemy as sa

from colonnade import Database, Field, SQLModel, select


@pytest.mark.only_on("postgresql")
def test_a_change_inside_an_array_is_saved(db: Database) -> None:
    class Animal(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        names: list[str] = Field(sa_type=sa.ARRAY(sa.String))

    db.create_all()
    with db.session() as session:
        session.add(Animal(names=["rex"]))
        session.commit()
        animal = session.exec(select(Animal)).one()
        animal.names.append("max")
        session.commit()
    with db.session() as session:
        assert session.exec(select(Animal)).one().names == ["rex", "max"]
