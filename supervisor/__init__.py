"""Runs the whole system on one machine for `make run`: starts, watches, restarts and stops it."""
