"""The real gateway between real clients and stand-in services, all over real connections."""
