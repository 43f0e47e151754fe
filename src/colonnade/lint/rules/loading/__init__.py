"""Rules about lazy loading and expired rows."""
