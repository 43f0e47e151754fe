"""Rules about commits and rollbacks."""
