"""One application a contender, on the same tables; each a module with ``app`` in it.

The database is ``DATABASE_URL``. All answer ``/tasks?limit=100``, ``/tasks/1``, ``POST /tasks`` and
``PATCH /tasks/1``; those that can, ``/tasks/nested?limit=100``: tasks with project and
``assignments.worker``.
"""
