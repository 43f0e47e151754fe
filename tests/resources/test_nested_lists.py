"""``GET /teams/1/players``, if ``players`` is nested too: the schema and the scopes of the team."""

from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Header

from colonnade import Database, Field, Relationship, Resource, SQLModel
from tests.resources.sample_app import serving

Role = Annotated[str, Header()]


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        players: list["Player"] = Relationship(back_populates="team")

    class Player(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        wage: int = 0
        team_id: int | None = Field(default=None, foreign_key="team.id")
        team: Team | None = Relationship(back_populates="players")
        contracts: list["Contract"] = Relationship(back_populates="player")

    class Contract(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner: str
        player_id: int | None = Field(default=None, foreign_key="player.id")
        player: Player | None = Relationship(back_populates="contracts")

    class PlayerFull(SQLModel):
        id: int
        name: str
        wage: int

    class PlayerPublic(SQLModel):
        id: int
        name: str

    class TeamWithPlayers(SQLModel):
        id: int
        players: list[PlayerPublic]

    def by_role(role: Role = "") -> type[PlayerFull] | type[PlayerPublic]:
        return PlayerFull if role == "hr" else PlayerPublic

    db.create_all()
    with db.session() as session:
        session.add(Team(id=1))
        session.flush()
        session.add(Player(name="Ana", wage=300, team_id=1))
        session.flush()
        session.add(Contract(owner="bob", player_id=1))
        session.commit()
    return SimpleNamespace(**{name: value for name, value in locals().items() if name != "db"})


@pytest.mark.parametrize("schema", ["by_role", "PlayerFull"])
def test_the_list_has_the_schema_that_the_table_names(
    schema: str, db: Database, models: SimpleNamespace
) -> None:
    players = Resource(models.Player, db, read=getattr(models, schema))
    teams = Resource(models.Team, db, read=models.TeamWithPlayers, nested={"players": players})
    with serving(players, teams) as client:
        for role in ("hr", "staff"):
            response = client.get("/teams/1/players", headers={"Role": role})
            assert response.json() == [{"id": 1, "name": "Ana"}]
            assert client.get("/teams/1/players?wage__gt=0", headers={"Role": role}).is_error


def test_the_list_has_no_relations_whose_scopes_the_table_does_not_know(
    db: Database, models: SimpleNamespace
) -> None:
    def mine(user: str = Header("")) -> dict[str, Any]:
        return {"owner": user}

    contracts = Resource(models.Contract, db, scope=mine)
    players = Resource(models.Player, db, include=["contracts", "contracts.count"])
    teams = Resource(models.Team, db, include=["players"], nested={"players": players})
    with serving(contracts, players, teams) as client:
        headers = {"User": "eve"}
        direct = client.get("/players?include=contracts,contracts.count", headers=headers).json()
        assert (direct[0]["contracts"], direct[0]["contracts_count"]) == ([], 0)
        for query in ("include=contracts", "include=contracts.count", "contracts__owner=bob"):
            response = client.get(f"/teams/1/players?{query}", headers=headers)
            assert response.status_code == 422


def test_a_relation_that_is_only_nested_has_no_list(db: Database, models: SimpleNamespace) -> None:
    players = Resource(models.Player, db)
    teams = Resource(models.Team, db, nested={"players": players})
    with serving(players, teams) as client:
        assert client.post("/teams/1/players", json={"name": "Ben"}).status_code == 201
        assert client.get("/teams/1/players").status_code == 405
