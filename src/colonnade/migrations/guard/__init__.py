"""What each step of a revision would cost, assessed before it runs."""
