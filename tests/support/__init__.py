"""What several kinds of test need: fakes, builders and running servers."""
