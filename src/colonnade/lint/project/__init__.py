"""Read a project: its files, modules, names, models and settings."""
