"""The parts of the gateway, each by itself."""
