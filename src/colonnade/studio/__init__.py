"""How a schema and its rows look: the diagram."""
