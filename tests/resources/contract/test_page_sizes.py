"""``default_limit`` and ``total_header``: the rows of a page, and the header with their total."""

from types import SimpleNamespace
from typing import Any

import pytest

from colonnade import Database, Field, Relationship, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.sample_app import INCLUDE, serving


@pytest.mark.usefixtures("sample_rows")
class TestDefaultLimit:
    def test_a_list_has_the_default_number_of_rows(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, include=INCLUDE, default_limit=2)) as client:
            first = client.get("/tasks")
            assert len(first.json()) == 2
            assert 'rel="next"' in first.headers["Link"]
            assert len(client.get("/tasks?limit=4").json()) == 4
            below = client.get("/tasks/1/subtasks?depth=all&fields=id")
            assert below.json() == [{"id": 3}, {"id": 5}]

    def test_none_lists_all_rows_up_to_the_maximum(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, default_limit=None, max_limit=4)) as client:
            page = client.get("/tasks")
            assert len(page.json()) == 4
            following = client.get(page.links["next"]["url"])
            assert len(following.json()) == 1
            assert client.get("/tasks?limit=5").status_code == 422

    def test_none_lists_more_than_the_usual_page(self, db: Database) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        db.create_all()
        rows = Resource(Row, db, default_limit=None, max_limit=2000)
        with serving(rows, Resource(Row, db, prefix="/usual")) as client:
            client.post("/rows:batch", json=[{}] * 1500)
            assert len(client.get("/rows").json()) == 1500
            assert "Link" not in client.get("/rows").headers
            assert len(client.get("/usual").json()) == 100

    def test_the_document_has_the_default(self, db: Database, models: SimpleNamespace) -> None:
        with serving(Resource(models.Task, db, default_limit=20, max_limit=50)) as client:
            parameters = client.get("/openapi.json").json()["paths"]["/tasks"]["get"]["parameters"]
        (limit,) = (parameter for parameter in parameters if parameter["name"] == "limit")
        assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 50, "default": 20}

    def test_a_smaller_maximum_limits_the_default(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, max_limit=3)) as client:
            assert len(client.get("/tasks").json()) == 3

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"default_limit": None}, "which is not set. Set it to the most rows"),
            ({"default_limit": 0}, "default_limit must be from 1 to max_limit (1000)"),
            ({"default_limit": 60, "max_limit": 50}, "from 1 to max_limit (50)"),
            ({"max_limit": 0}, "max_limit must be at least 1, not 0"),
            ({"default_limit": None, "max_limit": 0}, "max_limit must be at least 1, not 0"),
        ],
    )
    def test_a_limit_that_no_page_could_have_is_refused(
        self, db: Database, models: SimpleNamespace, options: Any, message: str
    ) -> None:
        with pytest.raises(ModelError) as caught:
            Resource(models.Task, db, **options)
        assert message in str(caught.value)

    def test_a_list_that_would_always_be_too_large_is_refused(self, db: Database) -> None:
        class Box(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            things: list["Thing"] = Relationship()

        class Thing(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            box_id: int | None = Field(default=None, foreign_key="box.id")

        class ThingRead(Thing, schema="read"):
            pass

        class BoxRead(Box, schema="read"):
            things: list[ThingRead]  # type: ignore[assignment]  # narrower

        boxes = Resource(Box, db, read=BoxRead, default_limit=None, max_limit=50_000)
        with pytest.raises(ModelError, match="Choose a smaller default_limit than 50000"):
            list(boxes.routes)


@pytest.mark.usefixtures("sample_rows")
class TestTotalHeader:
    def test_content_range_has_the_positions_and_the_total(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, total_header="Content-Range")) as client:
            for query, expected in (
                ("", "tasks 0-4/5"),
                ("?limit=2", "tasks 0-1/5"),
                ("?limit=2&offset=4", "tasks 4-4/5"),
                ("?title__startswith=Below&limit=1&offset=1", "tasks 1-1/3"),
                ("?offset=9", "tasks */5"),
                ("?title=x", "tasks */0"),
            ):
                response = client.get(f"/tasks{query}")
                assert response.headers["Content-Range"] == expected, query
                assert isinstance(response.json(), list)
                assert "X-Total-Count" not in response.headers

    def test_the_position_of_a_page_by_cursor_is_not_known(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, total_header="Content-Range")) as client:
            first = client.get("/tasks?limit=2")
            second = client.get(first.links["next"]["url"])
        assert second.headers["Content-Range"] == "tasks */5"

    def test_relations_and_trees_have_the_header(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Assignment(task_id=1, worker_id="@ana"))
        tasks = Resource(models.Task, db, include=INCLUDE, total_header="Content-Range")
        with serving(tasks) as client:
            workers = client.get("/tasks/1/workers")
            assert workers.headers["Content-Range"] == "workers 0-0/1"
            tree = client.get("/tasks/1/subtasks?depth=all&limit=2")
            assert tree.headers["Content-Range"] == "tasks 0-1/3"
            assert client.head("/tasks").headers["Content-Range"] == "tasks 0-4/5"

    def test_x_total_count_is_sent_without_being_asked_for(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, total_header="X-Total-Count")) as client:
            assert client.get("/tasks?limit=1").headers["X-Total-Count"] == "5"
            assert client.get("/tasks?count=estimated").headers["X-Total-Count"].isdecimal()
            assert client.get("/tasks?count=none").status_code == 422

    def test_the_document_has_the_header(self, db: Database, models: SimpleNamespace) -> None:
        with serving(Resource(models.Task, db, total_header="Content-Range")) as client:
            listed = client.get("/openapi.json").json()["paths"]["/tasks"]["get"]
        assert [*listed["responses"]["200"]["headers"]] == ["Link", "Content-Range"]

    def test_another_header_is_refused(self, db: Database, models: SimpleNamespace) -> None:
        header: Any = "Content-range"
        with pytest.raises(ModelError, match="Did you mean Content-Range"):
            Resource(models.Task, db, total_header=header)
