"""One application a contender, on the same tables; each a module with ``app`` in it.

The database is ``DATABASE_URL``. ``benchmarks.workloads`` says what each is asked.
"""
