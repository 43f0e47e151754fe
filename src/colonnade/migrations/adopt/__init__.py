"""Write the models and the first revision of a database that has tables but no code."""
