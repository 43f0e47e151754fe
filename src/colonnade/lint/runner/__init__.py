"""Run the linter over a project: caching, baseline, worker processes."""
