"""Rules about dates, times and time zones."""
