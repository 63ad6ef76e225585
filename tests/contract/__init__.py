"""One suite per port, which every adapter behind that port must pass."""
