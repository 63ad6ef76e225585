"""Tests of the messaging service over real gRPC."""
