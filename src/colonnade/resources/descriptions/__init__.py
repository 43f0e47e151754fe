"""What a Resource offers to a request, as plain values: for Studio and for agents."""
