"""The OpenAPI document describes nested bodies, and what they return."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Optional

import pytest
from fastapi import FastAPI

from colonnade import Database, Field, Relationship, Resource, SQLModel, Versioned
from tests.resources.sample_app import serving


def document_of(*resources: Resource) -> dict[str, Any]:
    app = FastAPI()
    for resource in resources:
        app.include_router(resource)
    document: dict[str, Any] = app.openapi()
    return document


def components_of(*resources: Resource) -> dict[str, Any]:
    components: dict[str, Any] = document_of(*resources)["components"]["schemas"]
    return components


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": ref(name)}


def shape_of(schema: Any) -> Any:
    """A schema without its words and bounds."""
    left_out = {"title", "description", "minimum", "maximum"}
    if isinstance(schema, dict):
        return {key: shape_of(value) for key, value in schema.items() if key not in left_out}
    return [shape_of(item) for item in schema] if isinstance(schema, list) else schema


def properties_of(component: dict[str, Any]) -> dict[str, Any]:
    return {name: shape_of(schema) for name, schema in component["properties"].items()}


@pytest.fixture
def resources(db: Database) -> tuple[Resource, Resource, Resource, Resource]:
    """Resources of projects with tasks, of tasks with assignments and labels, and of these."""

    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(examples=["Annual report"])
        tasks: list["Task"] = Relationship(back_populates="project")

    class TaskLabel(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        label_id: int = Field(foreign_key="label.id", primary_key=True)

    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    class Assignment(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        worker_id: int = Field(primary_key=True)
        role: Literal["assignee", "reviewer"] = "assignee"

    class Task(Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(examples=["Write the summary"])
        project_id: int = Field(foreign_key="project.id")
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        project: Optional[Project] = Relationship(back_populates="tasks")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent")
        assignments: list[Assignment] = Relationship()
        labels: list[Label] = Relationship(link_model=TaskLabel)

    db.create_all()
    labels = Resource(Label, db)
    assignments = Resource(Assignment, db)
    tasks = Resource(
        Task,
        db,
        nested={
            "project": lambda: projects,
            "subtasks": lambda: tasks,
            "assignments": assignments,
            "labels": labels,
        },
    )
    projects = Resource(Project, db, nested={"tasks": tasks})
    return projects, tasks, assignments, labels


Resources = tuple[Resource, Resource, Resource, Resource]


class TestBodies:
    def test_a_new_row_has_an_array_of_related_rows_or_an_object_with_verbs(
        self, resources: Resources
    ) -> None:
        components = components_of(*resources)
        body = components["ProjectCreateWithRelations"]
        assert body["required"] == ["name"]
        assert properties_of(body)["tasks"] == {
            "anyOf": [
                array_of("ProjectTasksCreate"),
                ref("ProjectTasksToCreate"),
                ref("ProjectTasksToConnect"),
            ]
        }
        assert components["ProjectTasksToCreate"]["required"] == ["create"]
        assert components["ProjectTasksToConnect"]["required"] == ["connect"]
        assert properties_of(components["ProjectTasksToConnect"]) == {
            "create": array_of("ProjectTasksCreate"),
            "connect": {
                "type": "array",
                "items": {"anyOf": [{"type": "integer"}, ref("ProjectTasksKey")]},
                "uniqueItems": True,
            },
        }

    def test_a_nested_row_lacks_the_fields_that_its_relation_sets(
        self, resources: Resources
    ) -> None:
        components = components_of(*resources)
        nested = properties_of(components["ProjectTasksCreate"])
        assert nested.keys() == {"title", "parent_id", "subtasks", "assignments", "labels"}
        assert properties_of(components["TaskSubtasksCreate"]).keys() == {
            "title", "project_id", "project", "subtasks", "assignments", "labels",
        }  # fmt: skip
        assert properties_of(components["TaskAssignmentsCreate"]).keys() == {"worker_id", "role"}

    def test_a_required_field_that_a_relation_can_set_is_optional(
        self, resources: Resources
    ) -> None:
        body = components_of(*resources)["TaskCreateWithRelations"]
        assert body["required"] == ["title"]
        assert properties_of(body)["project_id"] == {"type": "integer"}

    def test_a_changed_row_has_an_object_with_all_verbs(self, resources: Resources) -> None:
        components = components_of(*resources)
        body = properties_of(components["TaskUpdateWithRelations"])
        assert body["assignments"] == ref("TaskAssignmentsChanges")
        keys = {
            "type": "array",
            "items": {"anyOf": [{"type": "integer"}, ref("TaskAssignmentsKey")]},
            "uniqueItems": True,
        }
        # The foreign key is required and part of the key: a row cannot leave or move.
        assert properties_of(components["TaskAssignmentsChanges"]) == {
            "create": array_of("TaskAssignmentsCreate"),
            "update": array_of("TaskAssignmentsUpdate"),
            "upsert": array_of("TaskAssignmentsCreate"),
            "delete": keys,
        }
        assert properties_of(components["TaskLabelsChanges"]).keys() == {
            "create", "connect", "disconnect", "set", "update", "upsert", "delete",
        }  # fmt: skip

    def test_a_nested_update_has_the_key_and_the_version(self, resources: Resources) -> None:
        components = components_of(*resources)
        update = components["ProjectTasksUpdate"]
        assert update["required"] == ["id"]
        assert properties_of(update)["version"] == {"type": "integer"}
        assert properties_of(update).keys() >= {"id", "title", "parent_id", "subtasks"}
        changes = properties_of(components["ProjectTasksChanges"])
        assert changes["upsert"]["items"] == {
            "anyOf": [ref("ProjectTasksCreate"), ref("ProjectTasksUpdate")]
        }

    def test_a_relation_to_one_row_takes_an_object(self, db: Database) -> None:
        class Profile(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str

        class Author(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            profile_id: int | None = Field(default=None, foreign_key="profile.id")
            profile: Optional[Profile] = Relationship()

        db.create_all()
        profiles = Resource(Profile, db)
        components = components_of(Resource(Author, db, nested={"profile": profiles}), profiles)
        created = properties_of(components["AuthorCreateWithRelations"])["profile"]
        assert created == {
            "anyOf": [
                ref("ProfileCreate"),
                ref("AuthorProfileToCreate"),
                ref("AuthorProfileToConnect"),
            ]
        }
        assert properties_of(components["AuthorProfileToConnect"]).keys() == {"connect"}
        changed = properties_of(components["AuthorUpdateWithRelations"])["profile"]
        assert changed == {"anyOf": [ref("AuthorProfileChanges"), {"type": "null"}]}
        assert properties_of(components["AuthorProfileChanges"]) == {
            "create": ref("ProfileCreate"),
            "connect": {"anyOf": [{"type": "integer"}, ref("AuthorProfileKey")]},
            "disconnect": {"type": "boolean", "const": True},
            "update": ref("ProfileUpdate"),
            "upsert": ref("ProfileCreate"),
            "delete": {"type": "boolean", "const": True},
        }

    def test_a_composite_key_is_an_object(self, db: Database) -> None:
        class Shelf(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            books: list["Book"] = Relationship()

        class Book(SQLModel, table=True):
            library: str = Field(primary_key=True)
            number: int = Field(primary_key=True)
            shelf_id: int | None = Field(default=None, foreign_key="shelf.id")

        db.create_all()
        books = Resource(Book, db)
        components = components_of(Resource(Shelf, db, nested={"books": books}), books)
        changes = properties_of(components["ShelfBooksChanges"])
        assert changes["set"] == {**array_of("ShelfBooksKey"), "uniqueItems": True}
        assert components["ShelfBooksKey"]["required"] == ["library", "number"]

    def test_an_upsert_has_the_key_and_the_version_of_a_row_that_may_exist(
        self, db: Database
    ) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            workers: list["Worker"] = Relationship()

        class Worker(Versioned, table=True):
            id: str = Field(primary_key=True)
            name: str
            team_id: int | None = Field(default=None, foreign_key="team.id")

        db.create_all()
        workers = Resource(Worker, db)
        components = components_of(Resource(Team, db, nested={"workers": workers}), workers)
        changes = properties_of(components["TeamWorkersChanges"])
        assert changes["upsert"] == array_of("TeamWorkersUpsert")
        upsert = components["TeamWorkersUpsert"]
        assert properties_of(upsert).keys() == {"id", "name", "version"}
        assert sorted(upsert["required"]) == ["id", "name"]

    def test_verbs_that_a_resource_does_not_allow_are_left_out(self, db: Database) -> None:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship()

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")

        db.create_all()

        def components(*operations: Any) -> dict[str, Any]:
            tasks = Resource(Task, db, operations={"list", *operations})
            return components_of(Resource(Project, db, nested={"tasks": tasks}), tasks)

        offered = components("create")
        assert properties_of(offered["ProjectTasksChanges"]).keys() == {"create"}
        assert "ProjectTasksUpdate" not in offered
        offered = components("update")
        assert properties_of(offered["ProjectTasksChanges"]).keys() == {
            "connect", "disconnect", "set", "update",
        }  # fmt: skip
        offered = components("read")
        assert properties_of(offered["ProjectCreateWithRelations"]).keys() == set()

    def test_verbs_whose_operation_an_endpoint_replaces_are_left_out(self, db: Database) -> None:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship()

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")

        db.create_all()
        tasks = Resource(Task, db)
        projects = Resource(Project, db, nested={"tasks": tasks})
        app = FastAPI()
        app.include_router(projects)

        @tasks.delete("/{task_id}")
        def delete_task(task_id: int) -> None:
            """Keep the task."""

        app.include_router(tasks)
        components = app.openapi()["components"]["schemas"]
        changes = properties_of(components["ProjectTasksChanges"])
        assert "delete" not in changes
        assert "update" in changes

    def test_a_relation_has_the_same_components_in_all_bodies(self, resources: Resources) -> None:
        components = components_of(*resources)
        assert not [name for name in components if "__" in name]
        references = json.dumps(components).count(ref("TaskSubtasksCreate")["$ref"] + '"')
        assert references > 3

    def test_two_resources_of_a_table_have_components_of_their_own(self, db: Database) -> None:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship()

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")

        db.create_all()
        tasks = Resource(Task, db)
        projects = Resource(Project, db, nested={"tasks": tasks})
        drafts = Resource(Project, db, prefix="/drafts", nested={"tasks": tasks})
        components = components_of(projects, drafts, tasks)
        assert {
            "ProjectTasksCreate", "DraftsProjectTasksCreate", "ProjectWritten",
            "DraftsProjectWritten",
        } <= components.keys()  # fmt: skip
        assert not [name for name in components if "__" in name]


class TestResponses:
    def test_a_response_has_the_rows_that_were_written(self, resources: Resources) -> None:
        document = document_of(*resources)
        components = document["components"]["schemas"]
        for path, method, status in (
            ("/projects", "post", "201"),
            ("/projects/{id}", "patch", "200"),
        ):
            response = document["paths"][path][method]["responses"][status]
            assert response["content"]["application/json"]["schema"] == ref("ProjectWritten")
        read, relations = components["ProjectWritten"]["allOf"]
        assert read == ref("ProjectRead")
        assert properties_of(relations) == {"tasks": array_of("TaskWritten")}

    def test_a_tree_refers_to_itself(self, resources: Resources) -> None:
        _, relations = components_of(*resources)["TaskWritten"]["allOf"]
        assert properties_of(relations) == {
            "project": {"anyOf": [ref("ProjectWritten"), {"type": "null"}]},
            "subtasks": array_of("TaskWritten"),
            "assignments": array_of("AssignmentRead"),
            "labels": array_of("LabelRead"),
        }

    def test_a_row_in_a_relation_has_the_body_and_the_response_of_its_resource(
        self, resources: Resources
    ) -> None:
        post = document_of(*resources)["paths"]["/projects/{id}/tasks"]["post"]
        body = post["requestBody"]["content"]["application/json"]["schema"]
        assert body["$ref"] == ref("ProjectTasksCreate")["$ref"]
        response = post["responses"]["201"]["content"]["application/json"]["schema"]
        assert response == ref("TaskWritten")


class TestExamples:
    def test_the_example_of_each_body_is_accepted(self, resources: Resources) -> None:
        with serving(*resources) as client:
            document = client.get("/openapi.json").json()
            for path, method in (
                ("/projects", "post"),
                ("/tasks", "post"),
                ("/projects:batch", "post"),
                ("/projects/{id}/tasks", "post"),
                ("/projects/{id}", "patch"),
                ("/tasks/{id}", "patch"),
            ):
                body = document["paths"][path][method]["requestBody"]
                (example,) = body["content"]["application/json"]["schema"]["examples"]
                response = client.request(method, path.replace("{id}", "1"), json=example)
                assert response.status_code in {200, 201}, response.text

    def test_an_example_has_related_rows(self, resources: Resources) -> None:
        document = document_of(*resources)

        def example(path: str, method: str) -> Any:
            body = document["paths"][path][method]["requestBody"]
            return body["content"]["application/json"]["schema"]["examples"][0]

        task = {"title": "Write the summary"}
        assert example("/projects", "post") == {"name": "Annual report", "tasks": [task]}
        assert example("/projects/{id}", "patch") == {
            "name": "Annual report", "tasks": {"create": [task]},
        }  # fmt: skip
        assert example("/tasks", "post")["project"] == {"name": "Annual report"}

    def test_a_row_that_requires_one_of_its_own_table_has_no_example(self, db: Database) -> None:
        class Node(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            parent_id: int = Field(foreign_key="node.id")
            parent: Optional["Node"] = Relationship(
                sa_relationship_kwargs={"remote_side": "Node.id"}
            )

        db.create_all()
        nodes = Resource(Node, db, nested={"parent": lambda: nodes})
        body = document_of(nodes)["paths"]["/nodes"]["post"]["requestBody"]
        schema = body["content"]["application/json"]["schema"]
        assert "examples" not in schema


def test_a_resource_without_nested_has_no_components_for_relations(db: Database) -> None:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tasks: list["Task"] = Relationship()

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")

    db.create_all()
    projects = Resource(Project, db)
    components = components_of(projects, Resource(Task, db))
    assert "ProjectCreate" in components
    assert not [name for name in components if "WithRelations" in name or "Written" in name]


# FastAPI ignores a warning of Pydantic by ``catch_warnings``, which is not for threads.
@pytest.mark.filterwarnings("ignore:The 'alias' attribute")
def test_documents_that_are_made_at_the_same_time_are_the_same() -> None:
    class Node(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="node.id")
        children: list["Node"] = Relationship()

    nodes: Resource = Resource(Node, Database("sqlite://"), nested={"children": lambda: nodes})
    expected = document_of(nodes)

    with ThreadPoolExecutor(4) as pool:
        documents = [pool.submit(document_of, nodes) for _ in range(8)]
        assert all(document.result() == expected for document in documents)
