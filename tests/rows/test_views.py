"""Views: fields and relations of rows as JSON."""

from datetime import date
from typing import Any

import pytest
from pydantic import (
    computed_field,
)

from colonnade import Database, Field, Relationship, Resource, Schemas, SQLModel, Versioned, schemas
from tests.resources.sample_app import serving
from tests.rows.writers import by_database, by_pydantic


def test_no_rows_are_an_empty_array(db: Database, words: Any) -> None:
    assert by_database(db, words, "word=none") == []


make_model: Any = type(SQLModel)


def test_a_table_can_have_more_columns_than_a_function_has_arguments(db: Database) -> None:
    names = [f"column_{index}" for index in range(150)]
    body = {
        "__annotations__": {"id": int | None, **dict.fromkeys(names, int)},
        "id": Field(default=None, primary_key=True),
        **{name: index for index, name in enumerate(names)},
        "__module__": __name__,
    }
    wide = make_model("Wide", (SQLModel,), body, table=True)
    db.create_all()
    with db.session() as session:
        session.add(wide())
        session.commit()
    assert by_database(db, wide) == by_pydantic(db, wide)


@pytest.mark.slow
def test_a_table_can_have_hundreds_of_columns(db: Database) -> None:
    body: dict[str, Any] = {f"c{number}": number for number in range(600)}
    annotations = {"id": int | None, **dict.fromkeys(body, int)}
    space = {**body, "id": Field(default=None, primary_key=True), "__annotations__": annotations}
    make_model: Any = type(SQLModel)
    Wide = make_model("Wide", (SQLModel,), {**space, "__module__": __name__}, table=True)
    db.create_all()
    with serving(Resource(Wide, db)) as client:
        created = client.post("/wides", json={})
        assert created.status_code == 201
        assert client.get("/wides").json() == [created.json()] == [{"id": 1, **body}]


class TestIncludes:
    """Relations are written along with their rows, however deep."""

    @pytest.fixture
    def models(self, db: Database) -> Any:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            players: list["Player"] = Relationship(back_populates="team")

        class Player(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            born: date
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship(back_populates="players")

        db.create_all()
        with db.session() as session:
            born = [date(1990 + year, 1, 1) for year in range(5)]
            session.add(Team(name="Reds", players=[Player(born=day) for day in born]))
            session.add(Team(name="Blues"))
            session.add(Player(born=date(2000, 1, 1)))
            session.commit()
        return Team, Player

    def test_lists_and_single_rows(self, db: Database, models: Any) -> None:
        team, player = models
        include = ["players.team"]
        reds, blues = by_database(db, team, "include=players.team", include=include)
        assert [player["team"]["name"] for player in reds["players"]] == ["Reds"] * 5
        assert [player["id"] for player in reds["players"]] == [1, 2, 3, 4, 5]
        assert blues["players"] == []
        *_, alone = by_database(db, player, "include=team", include=["team"])
        assert alone["team"] is None

    def test_a_limit_for_each_parent(self, db: Database, models: Any) -> None:
        reds, _ = by_database(db, models[0], "include=players:2", include=["players"])
        assert [player["id"] for player in reds["players"]] == [1, 2]

    def test_a_relation_that_the_schema_has_comes_unasked(self, db: Database, models: Any) -> None:
        team, player = models
        derived: Schemas = schemas(player)

        class PlayerBrief(SQLModel):
            id: int

        class TeamWithPlayers(SQLModel):
            name: str
            players: list[PlayerBrief] = []

        class TeamLoud(TeamWithPlayers):
            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def loud(self) -> str:
                return self.name.upper()

        assert issubclass(derived.read, SQLModel)
        for shown in (TeamWithPlayers, TeamLoud):
            (first, _) = by_database(db, team, "fields=name", read=shown)
            assert first == {"name": "Reds", "players": [{"id": n} for n in range(1, 6)]}
        assert by_database(db, team, read=TeamWithPlayers)[0] == {
            "name": "Reds",
            "players": [{"id": number} for number in range(1, 6)],
        }

    def test_where_pydantic_writes_one_level_it_writes_that_level(
        self, db: Database, models: Any
    ) -> None:
        team, _ = models

        class TeamShown(SQLModel):
            id: int
            name: str

            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def loud(self) -> str:
                return self.name.upper()

        assert by_database(db, team, "fields=name", read=TeamShown)[0] == {"name": "Reds"}
        rows = by_database(db, team, "include=players:1", read=TeamShown, include=["players"])
        assert rows[0]["players"][0].pop("version") > 0
        assert rows[0] == {
            "id": 1,
            "name": "Reds",
            "loud": "REDS",
            "players": [{"id": 1, "born": "1990-01-01", "team_id": 1}],
        }
