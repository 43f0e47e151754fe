"""Links: rows of a link table, written by the keys of the two rows that they connect."""
