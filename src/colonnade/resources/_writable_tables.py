"""``WritableTables``: the table that a Resource writes, with those of its nested Resources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial

from fastapi import APIRouter, params
from pydantic import BaseModel
from starlette.routing import BaseRoute

from colonnade.database import Database
from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.query import did_you_mean
from colonnade.resources._resource_checks import OPERATIONS
from colonnade.resources._resource_schemas import ResourceSchemas
from colonnade.resources._schema_choices import (
    SchemaChoice,
    Selection,
    refuse_many_combinations,
    selections,
)
from colonnade.resources.routes._choice_routes import ResourceVariant
from colonnade.resources.routes._route import GeneratedRoute, replaced_keys, without_names
from colonnade.resources.routes._route_builder import Guards, Operation
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.writes import Hooks

NestedTables = Mapping[str, "WritableTables"]
"""The tables of nested Resources, by the names of the relations."""


class WritableTables:
    """The table that a Resource writes, for each combination of schemas.

    Nested Resources are looked up when routes are built, since Resources may refer to each other.

    Args:
        shape: The table.
        db: The database of the table.
        router: The Resource.
        schemas: The schemas of the Resource.
        hooks: The hooks of the Resource.
        operations: The operations that the Resource has.
        guards: The dependencies of each operation.
        nested: Returns the tables of the nested Resources.
    """

    def __init__(
        self,
        shape: Shape,
        db: Database,
        router: APIRouter,
        schemas: ResourceSchemas,
        hooks: Hooks,
        *,
        operations: frozenset[Operation],
        guards: Guards,
        nested: Callable[[], NestedTables],
    ) -> None:
        self._shape = shape
        self._db = db
        self._router = router
        self._schemas = schemas
        self._hooks = hooks
        self._operations = operations
        self._guards = guards
        self._nested = nested
        self._tables: dict[tuple[type[BaseModel], ...], ResourceTable] = {}

    @cached_property
    def variants(self) -> list[ResourceVariant]:
        """The Resource with each combination of schemas; a single one if requests choose none."""
        return [
            ResourceVariant(self._table(selection), self._schemas.reads(selection))
            for selection in selections(self._choices)
        ]

    @cached_property
    def nested_choices(self) -> tuple[SchemaChoice, ...]:
        """The choices of all Resources that nested writes reach."""
        reached: dict[WritableTables, None] = {}
        level = list(self._nested().values())
        while level:
            reached.update(dict.fromkeys(level))
            below = [each for tables in level for each in tables._nested().values()]
            level = [tables for tables in below if tables not in reached]
        return tuple(choice for each in reached for choice in each._schemas.choices.values())

    @cached_property
    def _choices(self) -> tuple[SchemaChoice, ...]:
        choices = tuple(dict.fromkeys((*self._schemas.choices.values(), *self.nested_choices)))
        refuse_many_combinations(choices)
        return choices

    def _table(self, selection: Selection) -> ResourceTable:
        """The table with the schemas of a selection."""
        selection = {choice: selection[choice] for choice in self._choices}
        key = tuple(selection.values())
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = self._make_table(selection)
        return table

    def _make_table(self, selection: Selection) -> ResourceTable:
        guards: dict[str, Sequence[params.Depends]] = {
            operation: [*self._router.dependencies, *self._guards.get(operation, ())]
            for operation in OPERATIONS
        }
        return ResourceTable(
            self._schemas.reads(selection).table_context,
            self._hooks,
            self._nestable_operations,
            partial(self._nested_tables, selection),
            self._replaced_links,
            guards=guards,
            router=self._router,
            enabled=self._operations,
            component=self._schemas.component(selection),
            choices=self._schemas.choices,
            selection=selection,
        )

    def _nested_tables(self, selection: Selection) -> dict[str, ResourceTable]:
        """The tables that relations nest, with the schemas of a selection.

        Raises:
            ModelError: ``nested`` names something that is not a relation, or a Resource of another
                table.
        """
        return {
            name: self._checked(name, tables)._table(selection)
            for name, tables in self._nested().items()
        }

    def _checked(self, name: str, nested: "WritableTables") -> "WritableTables":
        relation = self._shape.relations.get(name)
        if relation is None:
            raise ModelError(
                f"nested names {name!r}, which is not a relation of {self._shape.model.__name__}. "
                f"Its relations: {', '.join(self._shape.relations) or 'none'}."
                f"{did_you_mean(name, self._shape.relations)}"
            )
        if nested._shape.model is not relation.target or nested._db is not self._db:
            raise ModelError(
                f"nested gives {name} the Resource of {nested._shape.model.__name__}. It needs a "
                f"Resource of {relation.target.__name__} with the same Database."
            )
        return nested

    def _replaced_links(self) -> frozenset[str]:
        """The relations that nested writes may not link, since a user endpoint does."""
        taken, base = self._user_keys(), without_names(self._router.prefix)
        return frozenset(
            name
            for name in self._nested()
            if taken & {(f"{base}/{{}}/{name}/{{}}", method) for method in ("PUT", "DELETE")}
        )

    def _nestable_operations(self) -> frozenset[str]:
        """The operations that nested writes may do: none that a user endpoint replaces."""
        taken, base = self._user_keys(), without_names(self._router.prefix)
        paths = {
            "create": (base, "POST"),
            "update": (f"{base}/{{}}", "PATCH"),
            "delete": (f"{base}/{{}}", "DELETE"),
        }
        return frozenset(
            operation for operation in self._operations if paths.get(operation) not in taken
        )

    def _user_keys(self) -> set[tuple[str, str]]:
        """The keys of the generated routes that user endpoints replace."""
        return {
            key
            for route in self._user_routes()
            for key in replaced_keys(route, self._router.prefix)
        }

    def _user_routes(self) -> Iterator[BaseRoute]:
        # Not the iterator of the routes themselves, which would build those that are generated.
        routes = list.__iter__(self._router.routes)
        return (route for route in routes if not isinstance(route, GeneratedRoute))
