"""The guard: assesses each step of a revision before any of them runs."""
