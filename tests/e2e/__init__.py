"""Tests of the whole system through the doors that clients use."""
