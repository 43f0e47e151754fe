"""The parts of a response that an existing API may dictate."""
