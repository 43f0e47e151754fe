"""Rules about files as a whole."""
