"""A conversation played against a running system, in which every answer is checked.

Newcomers with fresh ids meet the people that a fresh system is seeded with, over the public gRPC
port and the development tokens, as any client could. It can be played again and again.
"""
