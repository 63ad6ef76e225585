"""Measures what a send through the whole chain costs, against an empty call."""
