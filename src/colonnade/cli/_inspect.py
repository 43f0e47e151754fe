"""``colonnade inspect``: what a project has, on one screen or for a prompt."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from colonnade.cli._console import escaped, out
from colonnade.cli._json_output import OutputFormat, present
from colonnade.cli._reports import (
    CurrentReport,
    FieldOverview,
    InspectReport,
    RelationOverview,
    ResourceOverview,
    RouteOverview,
    TableOverview,
)
from colonnade.cli._tables import project_models
from colonnade.database import Database
from colonnade.errors import ColonnadeError
from colonnade.models import Shape
from colonnade.project import Project
from colonnade.resources import Resource, included_routers, inclusion_prefixes


def inspect_project(url: str | None, output_format: OutputFormat) -> None:
    """Print the tables, Resources, routes, scopes and the state of the migrations of a project.

    Args:
        url: The database; None for that of the project.
        output_format: The format.

    Raises:
        CommandError: The project has no tables.
        ProjectError: What its settings name cannot be imported.
    """
    project = Project.find(Path.cwd())
    models = project_models(project)
    app = None if project.app is None else project.load_app()
    database = Database(url) if url else project.choose_database()
    resources = tuple(_resources(app))
    revisions, migrations, problem = _migrations(project, database)
    report = InspectReport(
        app=project.app,
        models=project.models,
        database=str(database.url),
        tables=tuple(sorted(map(_table, models), key=lambda table: table.name)),
        resources=resources,
        routes=tuple(_routes(app, [resource.path for resource in resources])),
        revisions=revisions,
        migrations=migrations,
        problem=problem,
    )
    present(report, output_format, _print_report)


def _table(model: type[Any]) -> TableOverview:
    shape = Shape.of(model)
    return TableOverview(
        name=shape.table.fullname,
        model=model.__name__,
        fields=tuple(
            FieldOverview(
                name=name,
                type=column.kind,
                choices=column.choices,
                nullable=column.nullable,
                primary_key=column.primary_key,
                references=None if column.foreign_key is None else ".".join(column.foreign_key),
            )
            for name, column in shape.columns.items()
        ),
        relations=tuple(
            RelationOverview(relation.name, relation.kind, Shape.of(relation.target).table.fullname)
            for relation in shape.relations.values()
        ),
    )


def _resources(app: Any) -> Iterator[ResourceOverview]:
    for resource in () if app is None else included_routers(app):
        if isinstance(resource, Resource):
            for prefix in inclusion_prefixes(app, resource):
                yield ResourceOverview(
                    path=prefix + resource.prefix,
                    table=Shape.of(resource.model).table.fullname,
                    operations=tuple(sorted(resource.operations)),
                    scope=_name(resource.scope),
                    write_scope=_name(resource.write_scope),
                )


def _name(dependency: Callable[..., Any] | None) -> str | None:
    if dependency is None:
        return None
    return getattr(dependency, "__name__", type(dependency).__name__)


def _routes(app: Any, resources: Sequence[str]) -> Iterator[RouteOverview]:
    for path, methods in () if app is None else app.openapi()["paths"].items():
        owner = max((each for each in resources if _is_below(path, each)), key=len, default=None)
        for method, operation in methods.items():
            yield RouteOverview(method.upper(), path, operation.get("summary", ""), owner)


def _is_below(path: str, resource: str) -> bool:
    return path == resource or path.startswith((f"{resource}/", f"{resource}:"))


def _migrations(
    project: Project, database: Database
) -> tuple[int, CurrentReport | None, str | None]:
    """The number of revisions, and the state of the database, or why it is not known."""
    # Alembic is imported only here, since it takes half a second.
    from colonnade.cli._migrations import report_current
    from colonnade.migrations import History

    history = History(project)
    revisions, file = len(history.revisions), database.url.file
    if file is not None and not file.exists():
        return revisions, None, f"{file} does not exist"  # and would, after a connection
    try:
        return revisions, report_current(history, database), None
    except ColonnadeError as error:
        return revisions, None, str(error)


def _print_report(report: InspectReport) -> None:
    for line in _lines(report):
        out.print(escaped(line))


def _lines(report: InspectReport) -> Iterator[str]:
    yield f"{report.app or report.models or 'no app'}, {report.database}"
    yield f"\nTables ({len(report.tables)})"
    for table in report.tables:
        yield f"  {table.name}: {', '.join(map(_describe_field, table.fields))}"
        for relation in table.relations:
            yield f"    {relation.name}: {relation.kind} of {relation.table}"
    yield f"\nResources ({len(report.resources)})"
    for resource in report.resources:
        yield f"  {resource.path}: {resource.table}, {' '.join(resource.operations)}"
        yield from _scope_lines(resource)
    others = [route for route in report.routes if route.resource is None]
    yield f"\nOther routes ({len(others)} of {len(report.routes)})"
    for route in others:
        yield f"  {route.method} {route.path}: {route.summary}"
    yield f"\nMigrations ({report.revisions})"
    yield f"  {_describe_migrations(report)}"


def _describe_field(field: FieldOverview) -> str:
    key = " PK" if field.primary_key else ""
    target = f" -> {field.references}" if field.references else ""
    kind = field.type if field.choices is None else " | ".join(map(repr, field.choices))
    return f"{field.name} {kind}{'?' if field.nullable else ''}{key}{target}"


def _scope_lines(resource: ResourceOverview) -> Iterator[str]:
    if resource.scope is not None:
        yield f"    scope: {resource.scope}"
    if resource.write_scope is not None:
        yield f"    write scope: {resource.write_scope}"


def _describe_migrations(report: InspectReport) -> str:
    if report.migrations is None:
        return f"The state of the database is not known: {report.problem}"
    heads = ", ".join(f"{head.revision} ({head.message})" for head in report.migrations.heads)
    behind = report.migrations.behind
    position = f"{behind} behind" if behind else "the newest"
    unfinished = "".join(f"; {each.what}" for each in report.migrations.unfinished)
    return f"The database is at {heads or 'no revision'}, {position}{unfinished}"
