"""Infer what expressions evaluate to, without running them."""
