"""What friends tell each other: channels, messages, read marks and the live stream."""
