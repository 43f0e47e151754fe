"""Rules about request and response schemas."""
