"""The applications of the contenders, one module with an ``app`` each, on the same tables.

They use the database of ``DATABASE_URL``. ``benchmarks.workloads`` has the requests.
"""
