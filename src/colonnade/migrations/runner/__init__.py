"""Run revisions: one process at a time, each revision once, resuming after interruptions."""
