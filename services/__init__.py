"""The services, each a process with a database of its own; what they share stands in chassis."""
