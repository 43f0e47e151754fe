"""Rules about creating, sharing and closing sessions."""
