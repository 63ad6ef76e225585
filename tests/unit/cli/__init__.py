"""The terminal client's pure parts."""
