"""Route reads to replicas."""
