"""A state machine: after any operations, the API has the same rows as a Python model."""

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from colonnade import Database, SQLModel
from tests.resources.sample_app import all_resources, define_models, serving

pytestmark = pytest.mark.slow

titles = st.sampled_from(["", "a", "b", "B", "%", "_"])
numbers = st.integers(1, 6)
changes = st.fixed_dictionaries({}, optional={"title": titles, "progress": st.integers(0, 100)})


class ApiMachine(RuleBasedStateMachine):
    """Create, change, link, move, delete and list tasks with labels."""

    db: Database
    models: Any

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.client = self.stack.enter_context(serving(*all_resources(self.db, self.models)))
        with self.db.engine.begin() as connection:
            for table in reversed(SQLModel.metadata.sorted_tables):
                connection.execute(table.delete())
            if self.db.url.backend == "postgresql":
                connection.exec_driver_sql("ALTER SEQUENCE task_id_seq RESTART")
        self.tasks: dict[int, dict[str, Any]] = {}
        self.links: set[tuple[int, int]] = set()
        self.labels: list[int] = []

    def teardown(self) -> None:
        self.stack.close()

    @initialize()
    def create_labels(self) -> None:
        for name in ("x", "y"):
            created = self.client.post("/labels", json={"name": name})
            self.labels.append(created.json()["id"])

    def below(self, task: int) -> set[int]:
        children = {key for key, row in self.tasks.items() if row["parent_id"] == task}
        return children.union(*(self.below(child) for child in children))

    def pick(self, number: int) -> int:
        return sorted(self.tasks)[number % len(self.tasks)] if self.tasks else 999

    @rule(title=titles, progress=st.integers(-1, 101), parent=st.none() | numbers)
    def create(self, title: str, progress: int, parent: int | None) -> None:
        above = None if parent is None else self.pick(parent)
        body = {"title": title, "progress": progress, "parent_id": above}
        response = self.client.post("/tasks", json=body)
        if not title or not 0 <= progress <= 100:
            assert response.status_code == 422
        elif above is not None and above not in self.tasks:
            assert response.status_code == 409
        else:
            assert response.status_code == 201
            row = response.json()
            self.tasks[row["id"]] = {
                key: row[key] for key in ("id", "title", "progress", "parent_id")
            }
            assert self.tasks[row["id"]] == {"id": row["id"], **body}

    @rule(number=numbers, change=changes)
    def change(self, number: int, change: dict[str, Any]) -> None:
        task = self.pick(number)
        response = self.client.patch(f"/tasks/{task}", json=change)
        if change.get("title") == "":
            assert response.status_code == 422
        elif task not in self.tasks:
            assert response.status_code == 404
        else:
            assert response.status_code == 200
            self.tasks[task].update(change)

    @rule(number=numbers, parent=st.none() | numbers)
    def move(self, number: int, parent: int | None) -> None:
        task = self.pick(number)
        above = None if parent is None else self.pick(parent)
        response = self.client.patch(f"/tasks/{task}", json={"parent_id": above})
        if task not in self.tasks:
            assert response.status_code in (404, 409)
        elif above == task or above in self.below(task):
            assert response.status_code == 409
        else:
            assert response.status_code == 200
            self.tasks[task]["parent_id"] = above

    @rule(number=numbers, label=st.integers(0, 2), method=st.sampled_from(["PUT", "DELETE"]))
    def link(self, number: int, label: int, method: str) -> None:
        task = self.pick(number)
        label_id = (*self.labels, 999)[label]
        response = self.client.request(method, f"/tasks/{task}/labels/{label_id}")
        if task not in self.tasks or label_id not in self.labels:
            assert response.status_code == 404
        else:
            assert response.status_code == 200
            change = self.links.add if method == "PUT" else self.links.discard
            change((task, label_id))

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        task = self.pick(number)
        response = self.client.delete(f"/tasks/{task}")
        assert response.status_code == (200 if task in self.tasks else 404)
        if task in self.tasks:
            for deleted in {task, *self.below(task)}:
                del self.tasks[deleted]
                self.links = {link for link in self.links if link[0] != deleted}

    @rule(limit=st.integers(1, 4), descending=st.booleans())
    def pages(self, limit: int, descending: bool) -> None:
        sign = "-" if descending else ""
        url: str | None = f"/tasks?limit={limit}&order_by={sign}progress,{sign}id&fields=id"
        seen: list[int] = []
        while url is not None:
            response = self.client.get(url)
            seen += [row["id"] for row in response.json()]
            url = response.links.get("next", {}).get("url")
        rows = sorted(self.tasks.values(), key=lambda row: (row["progress"], row["id"]))
        assert seen == [row["id"] for row in (reversed(rows) if descending else rows)]

    @rule(number=numbers)
    def tree(self, number: int) -> None:
        task = self.pick(number)
        response = self.client.get(f"/tasks/{task}/subtasks?depth=all&fields=id,parent_id")
        if task not in self.tasks:
            assert response.status_code == 404
            return
        rows = response.json()
        assert {row["id"] for row in rows} == self.below(task)
        seen = {task}
        for row in rows:
            assert row["parent_id"] in seen
            seen.add(row["id"])

    @rule(part=st.sampled_from(["a", "%", "_", "B"]))
    def search(self, part: str) -> None:
        rows = self.client.get("/tasks", params={"title__contains": part, "limit": 1000}).json()
        wanted = sorted(key for key, row in self.tasks.items() if part in row["title"])
        assert [row["id"] for row in rows] == wanted

    @invariant()
    def has_the_same_rows(self) -> None:
        response = self.client.get(
            "/tasks?include=labels&fields=id,title,progress,parent_id&count=exact&limit=1000"
        )
        assert response.headers["X-Total-Count"] == str(len(self.tasks))
        rows = response.json()
        links = {(row["id"], label["id"]) for row in rows for label in row.pop("labels")}
        assert {row["id"]: row for row in rows} == self.tasks
        assert links == self.links


@pytest.mark.parametrize("steps", [25])
def test_the_api_behaves_like_the_model(db: Database, steps: int) -> None:
    models = define_models()
    db.create_all()
    machine = type("Machine", (ApiMachine,), {"db": db, "models": models})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
