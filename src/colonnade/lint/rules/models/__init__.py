"""Rules about tables and their relationships."""
