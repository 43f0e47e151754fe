"""The routes of a Resource and their OpenAPI documentation."""
