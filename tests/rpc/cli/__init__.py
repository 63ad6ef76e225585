"""The terminal client against a real server of the public contract."""
