"""The pure parts of the friendship service, and its tables."""
