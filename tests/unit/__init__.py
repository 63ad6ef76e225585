"""Tests of pure code: no server, no database, no clock."""
