"""The proof that the system keeps its promises."""
