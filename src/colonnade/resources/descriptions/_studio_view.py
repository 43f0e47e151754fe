"""``StudioView``: how Studio shows the rows of a Resource."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from colonnade.errors import ModelError
from colonnade.query import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioView:
    """How Studio shows the rows of a Resource.

    Attributes:
        title: The name of the table; by default the words of its path.
        columns: The fields that a table shows first, in this order; by default up to twelve fields
            of the read schema: keys first, long contents last.
        search: The text fields that pickers and the search box search; by default up to two text
            fields: those with a usual name, else unique ones, else any.
        group: The heading under which the sidebar lists the table.
        label: The field that represents a row in links and pickers; by default the first field of
            ``search``.

    Examples:
        ```python
        from colonnade import Database, Field, Resource, SQLModel, StudioView


        class Book(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            isbn: str = Field(unique=True)
            title: str


        view = StudioView(title="Library", columns=["title", "isbn"], search=["title", "isbn"])
        books = Resource(Book, Database("sqlite://"), studio=view)
        ```
    """

    title: str | None = None
    columns: Sequence[str] = ()
    search: Sequence[str] = ()
    group: str | None = None
    label: str | None = None

    def with_fields(self, fields: Collection[str], searchable: Collection[str]) -> "StudioView":
        """Return the view of a request that may read these fields.

        Args:
            fields: The fields.
            searchable: Those that a text can be searched in.
        """
        return replace(
            self,
            columns=tuple(name for name in self.columns if name in fields),
            search=tuple(name for name in self.search if name in searchable),
            label=self.label if self.label in fields else None,
        )

    def refuse_unknown_fields(
        self, table: str, fields: Collection[str], searchable: Collection[str]
    ) -> None:
        """Refuse names of fields that no request may read.

        Args:
            table: The name of the table, for messages.
            fields: The fields of the read schemas.
            searchable: Those that a text can be searched in.

        Raises:
            ModelError: A name is not one of them.
        """
        label = () if self.label is None else (self.label,)
        for argument, names, known in (
            ("columns", self.columns, fields),
            ("label", label, fields),
            ("search", self.search, searchable),
        ):
            for name in names:
                if name not in known:
                    kind = "a text field" if known is searchable else "a field"
                    raise ModelError(
                        f"StudioView({argument}=...) of {table} names {name!r}, which is not "
                        f"{kind} of its read schema. Name one of {', '.join(known) or 'none'}."
                        f"{did_you_mean(name, known)}"
                    )
