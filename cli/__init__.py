"""The terminal client, which uses the public port as any other client would."""
