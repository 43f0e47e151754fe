"""Rules about column types and defaults."""
