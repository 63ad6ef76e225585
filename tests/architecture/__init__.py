"""Tests of the repository itself: what is generated is fresh, what is declared is complete."""
