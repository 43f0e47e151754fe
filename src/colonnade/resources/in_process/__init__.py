"""Calls of Resources in process: by Studio, and by the tools of agents."""
