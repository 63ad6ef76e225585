"""The friendship service on its own, over real gRPC."""
