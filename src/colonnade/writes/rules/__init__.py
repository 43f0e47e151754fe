"""Rules that all writes must keep: scopes, foreign keys, validators, trees."""
