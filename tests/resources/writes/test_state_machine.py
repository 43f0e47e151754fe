"""A state machine of all kinds of writes: SQLite, PostgreSQL and a plain Python model agree.

Each step sends a request to an app on each database. The responses are the same, their status and
rows are those of the model, and the whole content of both databases equals the model afterwards.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, insert, select, update

from colonnade import Database
from tests.resources.sample_app import serving
from tests.resources.writes import state_nested as nested
from tests.resources.writes import state_requests as requests
from tests.resources.writes.state_bodies import KEYS, UPSERTS, Bodies
from tests.resources.writes.state_model import Refused, Row, Store, key_of
from tests.resources.writes.state_requests import Answer
from tests.resources.writes.state_tables import define_tables, state_resources

pytestmark = pytest.mark.slow

FIRST_ROWS: list[tuple[str, str, Row]] = [
    ("a", "project", {"id": "p1"}),
    ("b", "project", {"id": "p3"}),
    ("a", "label", {"id": "l1"}),
    ("a", "label", {"id": "l2"}),
    ("a", "worker", {"id": "w1"}),
    ("a", "worker", {"id": "w2"}),
    ("a", "task", {"id": "t1", "slug": "s1", "project_id": "p1"}),
    ("a", "task", {"id": "t2", "project_id": "p1", "parent_id": "t1"}),
    ("a", "task", {"id": "t3", "parent_id": "t2"}),
    ("b", "task", {"id": "t6", "slug": "s3", "project_id": "p3"}),
    ("a", "task_label", {"task_id": "t1", "label_id": "l1"}),
    ("b", "task_label", {"task_id": "t6", "label_id": "l1"}),
    ("a", "assignment", {"task_id": "t1", "worker_id": "w1"}),
    ("b", "assignment", {"task_id": "t6", "worker_id": "w2"}),
]
"""The rows at the beginning, with their tenant; those of b are outside most requests' scope."""

RULE = rule(random=st.randoms(use_true_random=True))
"""The choices of Hypothesis itself are so often the simplest ones that most bodies are alike."""


class Writes(RuleBasedStateMachine):
    """Writes rows of two tenants with requests of all kinds."""

    models: dict[str, Any]
    databases: list[tuple[Database, TestClient]]

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()

    @initialize()
    def store_first_rows(self) -> None:
        inserts = []
        for self.store.tenant, table, row in FIRST_ROWS:
            inserts.append(insert(self.models[table]).values(self.store.insert(table, row)))
        for db, _ in self.databases:
            with db.engine.begin() as connection:
                for model in reversed(self.models.values()):
                    connection.execute(delete(model))
                for statement in inserts:
                    connection.execute(statement)

    # Single rows

    @RULE
    def create(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.choice(("task", "task", "project", "label", "worker"))
        row = bodies.new(table)
        self.send("POST", f"/{table}s", row, partial(requests.create, table=table, body=row))

    @RULE
    def change(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        key, row = bodies.key(table), bodies.changes(table)
        expected, headers = bodies.condition(table, key)
        predict = partial(requests.update, table=table, key=key, body=row, if_match=expected)
        self.send("PATCH", f"/{table}s/{key}", row, predict, headers)

    @RULE
    def move_in_tree(self, random: Random) -> None:
        bodies = self.bodies(random)
        key, row = bodies.key("task"), {"parent_id": bodies.reference("task")}
        predict = partial(requests.update, table="task", key=key, body=row, if_match=None)
        self.send("PATCH", f"/tasks/{key}", row, predict)

    @RULE
    def remove(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.choice(KEYS)
        key = bodies.key(table)
        expected, headers = bodies.condition(table, key)
        predict = partial(requests.delete, table=table, key=key, if_match=expected)
        self.send("DELETE", f"/{table}s/{key}", None, predict, headers)

    @RULE
    def create_in_relation(self, random: Random) -> None:
        bodies = self.bodies(random)
        project, row = bodies.key("project"), bodies.new("task", "project_id")
        predict = partial(requests.create_below, project=project, body=row)
        self.send("POST", f"/projects/{project}/tasks", row, predict)

    # Batches

    @RULE
    def create_many(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        rows = bodies.many(bodies.new, table)
        predict = partial(requests.create_many, table=table, bodies=rows)
        self.send("POST", f"/{table}s:batch", rows, predict)

    @RULE
    def change_many(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        rows = [bodies.changes(table) | {"id": bodies.key(table)} for _ in range(3)]
        predict = partial(requests.update_many, table=table, bodies=rows)
        self.send("PATCH", f"/{table}s:batch", rows, predict)

    @RULE
    def remove_many(self, random: Random) -> None:
        bodies = self.bodies(random)
        keys = [bodies.key("task") for _ in range(2)]
        path = "/tasks:batch?" + "&".join(f"key={key}" for key in keys)
        self.send("DELETE", path, None, partial(requests.delete_many, table="task", keys=keys))

    # Upserts and replacements

    @RULE
    def upsert(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        row, (conflict, options) = bodies.any_row(table), bodies.choice(UPSERTS)
        predict = partial(
            requests.upsert, table=table, body=row, conflict=conflict, options=options
        )
        self.send("POST", f"/{table}s?{upsert_query(conflict, options)}", row, predict)

    @RULE
    def upsert_many(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        rows, (conflict, options) = bodies.many(bodies.any_row, table), bodies.choice(UPSERTS)
        predict = partial(
            requests.upsert_many, table=table, bodies=rows, conflict=conflict, options=options
        )
        self.send("POST", f"/{table}s:batch?{upsert_query(conflict, options)}", rows, predict)

    @RULE
    def replace(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        key, row = bodies.key(table, is_new=bodies.often()), bodies.changes(table)
        expected, headers = bodies.condition(table, key)
        conditions: Row = {"If-Match": expected} if headers else {}
        if not headers and bodies.often():
            conditions = headers = {"If-None-Match": "*"}
        predict = partial(requests.replace, table=table, key=key, body=row, headers=conditions)
        self.send("PUT", f"/{table}s/{key}", row, predict, headers)

    # Links

    @RULE
    def link(self, random: Random) -> None:
        bodies = self.bodies(random)
        task, relation = bodies.key("task"), bodies.choice(requests.LINKS)
        target = bodies.key(requests.LINKS[relation][0])
        roles = [{}, {"role": "reviewer"}] if relation == "workers" else [{}]
        body = {"role": "boss"} if bodies.rarely() else bodies.choice(roles)
        predict = partial(requests.link, task=task, relation=relation, target=target, body=body)
        self.send("PUT", f"/tasks/{task}/{relation}/{target}", body, predict)

    @RULE
    def unlink(self, random: Random) -> None:
        bodies = self.bodies(random)
        task, relation = bodies.key("task"), bodies.choice(requests.LINKS)
        target = bodies.key(requests.LINKS[relation][0])
        predict = partial(requests.unlink, task=task, relation=relation, target=target)
        self.send("DELETE", f"/tasks/{task}/{relation}/{target}", None, predict)

    # Nested bodies

    @RULE
    def create_with_relations(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        row = bodies.new(table) | bodies.tree(table, None)
        self.send("POST", f"/{table}s", row, partial(nested.create, table=table, body=row))

    @RULE
    def change_with_relations(self, random: Random) -> None:
        bodies = self.bodies(random)
        table = bodies.table()
        key = bodies.key(table)
        row = bodies.changes(table) | bodies.tree(table, key)
        expected, headers = bodies.condition(table, key)
        predict = partial(nested.update, table=table, key=key, body=row, if_match=expected)
        self.send("PATCH", f"/{table}s/{key}", row, predict, headers)

    # How a request is sent and compared

    def bodies(self, random: Random) -> Bodies:
        """Return what draws the parts of a request, for a random tenant."""
        return Bodies(random, self.store)

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        predict: Callable[[Store], Answer],
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send a request to both apps, and compare the responses with the model's."""
        sent = {"Tenant": self.store.tenant, **(headers or {})}
        responses = [
            client.request(method, path, json=body, headers=sent) for _, client in self.databases
        ]
        status, expected = self.predicted(predict)
        event(f"{method} {re.sub('[ptlw][0-9]', '*', path.partition('=')[0])}: {status}")
        request = (method, path, body, sent)
        assert [response.status_code for response in responses] == [status] * 2, (
            request, status, expected, *(response.text for response in responses),
        )  # fmt: skip
        sqlite, postgresql = (without_versions(response.json()) for response in responses)
        if status >= 400:
            # Of several violated constraints, each database names another one.
            sqlite, postgresql = sqlite["type"], postgresql["type"]
        assert sqlite == postgresql == expected, (request, expected, sqlite, postgresql)
        for response in responses:
            refuse_names_outside_scope(response, self.store.tenant)
        self.set_first_versions()

    def predicted(self, predict: Callable[[Store], Answer]) -> Answer:
        """Return the status that the model predicts, with the rows or the type of the problem."""
        before, self.store.created = self.store.copy(), set()
        try:
            status, rows = predict(self.store)
        except Refused as refusal:
            self.store.rows = before
            return refusal.status, f"urn:colonnade:{refusal.kind}"
        return status, without_versions(rows)

    def set_first_versions(self) -> None:
        """Give new rows the version of the model, since theirs comes from the clock."""
        for table, key in self.store.created:
            row = self.store.rows[table].get(key, {})
            if "version" not in row:
                continue
            model = self.models[table]
            same = update(model.__table__).where(model.id == key).values(version=row["version"])
            for db, _ in self.databases:
                with db.engine.begin() as connection:
                    connection.execute(same)

    @invariant()
    def both_databases_have_the_rows_of_the_model(self) -> None:
        for db, _ in self.databases:
            with db.engine.connect() as connection:
                for table, model in self.models.items():
                    rows = connection.execute(select(model.__table__)).mappings()
                    stored = {key_of(table, row): row for row in map(dict, rows)}
                    assert stored == self.store.rows[table], db.url.backend


def upsert_query(conflict: str, options: Row) -> str:
    """Return the query parameters of an upsert."""
    query = f"on_conflict={conflict}"
    if "keep" in options:
        query += "&keep=true"
    return query + f"&update={','.join(options['update'])}" if "update" in options else query


def without_versions(body: Any) -> Any:
    """A body without the versions of its rows: see ``set_first_versions``."""
    if isinstance(body, list):
        return [without_versions(item) for item in body]
    if isinstance(body, dict):
        return {name: without_versions(item) for name, item in body.items() if name != "version"}
    return body


def refuse_names_outside_scope(response: Any, tenant: str) -> None:
    """Require that a response has no row of another tenant, and a refusal no row at all."""
    other = "b" if tenant == "a" else "a"
    assert f'"tenant":"{other}"' not in response.text
    assert response.is_success or not re.search(r"\b[pts][1-9]\b", response.text), response.text


@pytest.fixture
def machine(postgresql_database: str, tmp_path: Path) -> Iterator[Any]:
    """The state machine, with an app on each database."""
    models = define_tables()
    with ExitStack() as stack:
        databases = []
        for url in (f"sqlite:///{tmp_path / 'a.db'}", postgresql_database):
            db = Database(url)
            stack.callback(db.dispose)
            db.create_all()
            client = stack.enter_context(serving(*state_resources(db, models)))
            databases.append((db, client))
        yield type("Machine", (Writes,), {"models": vars(models), "databases": databases})


def test_all_writes_do_what_the_model_does(machine: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=35,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
