"""Tests of one service through its RPCs, on a real server."""
