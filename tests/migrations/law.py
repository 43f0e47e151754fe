"""What holds of every history, whatever the models were: it is written, and goes both ways."""

from random import Random

from colonnade import SQLModel
from colonnade.migrations import RefusedError
from colonnade.migrations.autogenerate._reflected import stored_models, stored_tables
from colonnade.migrations.autogenerate._sample_rows import Samples
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from tests.migrations.generated import begin, define, edit
from tests.migrations.lab import Lab


def history_holds(lab: Lab, seed: int, edits: int = 3) -> int:
    """Make a model up and edit it; the revisions that were written.

    After each edit the history makes what the models say, gives no second revision, and rows
    that it met go back to what they were and forth again.
    """
    random = Random(seed)
    columns = begin(random)
    lab.change(define(columns))
    written = 1
    for _ in range(edits):
        with lab.db.engine.connect() as connection:
            Samples(connection, SchemaHistory()).make(["thing"])
        before = lab.rows("SELECT count(*) FROM thing")
        columns, choices = edit(random, columns)
        lab.models(define(columns))
        if lab.maybe(**choices) is None:
            continue
        written += 1
        lab.upgrade(allow=frozenset({"loses-data", "cannot-undo"}))
        assert lab.drift() == []
        assert lab.maybe() is None
        assert lab.rows("SELECT count(*) FROM thing") == before
        try:
            lab.downgrade(guarded=True, allow=frozenset({"loses-data", "cannot-undo"}))
        except RefusedError:  # rows that the models before cannot have: the error names them
            continue
        assert lab.rows("SELECT count(*) FROM thing") == before
        lab.upgrade(allow=frozenset({"loses-data", "cannot-undo"}))
        assert lab.drift() == []
    with lab.db.engine.connect() as connection:
        there = stored_tables(connection)[None, "thing"]
        models = stored_models(SQLModel.metadata, connection)[None, "thing"]
    assert {name: there.types[name] for name in models.types} == models.types
    assert (there.checks, there.uniques, there.key) == (models.checks, models.uniques, models.key)
    assert there.indexes == models.indexes
    return written
