"""Execute statements: on the driver, in threads, in transactions, with retries and timeouts."""
