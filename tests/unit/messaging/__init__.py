"""Tests of the messaging service's parts, without a server."""
