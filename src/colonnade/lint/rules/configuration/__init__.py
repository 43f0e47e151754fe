"""Rules about engines, database URLs and application startup."""
