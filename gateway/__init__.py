"""The one door for clients: it authenticates, limits and forwards, and knows no rules."""
