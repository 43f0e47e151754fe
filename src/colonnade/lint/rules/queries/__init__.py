"""Rules about statements and how often they run."""
