"""Properties of every history, whatever the models: it can be written, and it runs both ways."""

from random import Random

from colonnade import SQLModel
from colonnade.migrations import RefusedError
from colonnade.migrations.autogenerate._reflected import stored_models, stored_tables
from colonnade.migrations.autogenerate._sample_rows import SampleRows
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from tests.migrations.lab import Lab
from tests.migrations.random_models import define_model, random_columns, random_edit


def check_history(lab: Lab, seed: int, edits: int = 3) -> int:
    """Check a history of a random model and its edits; return the number of revisions.

    After each edit the history matches the model, a second revision is empty, and downgrade and
    upgrade keep the rows.
    """
    random = Random(seed)
    columns = random_columns(random)
    lab.change(define_model(columns))
    written = 1
    for _ in range(edits):
        with lab.db.engine.connect() as connection:
            SampleRows(connection, SchemaHistory()).insert(["thing"])
        before = lab.rows("SELECT count(*) FROM thing")
        columns, choices = random_edit(random, columns)
        lab.models(define_model(columns))
        if lab.maybe(**choices) is None:
            continue
        written += 1
        lab.upgrade(allow=frozenset({"loses-data", "cannot-undo"}))
        assert lab.drift() == []
        assert lab.maybe() is None
        assert lab.rows("SELECT count(*) FROM thing") == before
        try:
            lab.downgrade(guarded=True, allow=frozenset({"loses-data", "cannot-undo"}))
        except RefusedError:  # the guard reports rows that the previous models cannot have
            continue
        assert lab.rows("SELECT count(*) FROM thing") == before
        lab.upgrade(allow=frozenset({"loses-data", "cannot-undo"}))
        assert lab.drift() == []
    with lab.db.engine.connect() as connection:
        stored = stored_tables(connection)[None, "thing"]
        models = stored_models(SQLModel.metadata, connection)[None, "thing"]
    assert {name: stored.types[name] for name in models.types} == models.types
    assert (stored.checks, stored.uniques, stored.key) == (
        models.checks,
        models.uniques,
        models.key,
    )
    assert stored.indexes == models.indexes
    return written
