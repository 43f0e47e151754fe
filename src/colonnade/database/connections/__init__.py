"""Connect to a database: URLs, drivers, pools, poolers and TLS."""
