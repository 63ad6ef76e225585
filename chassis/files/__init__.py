"""Files that people upload: taken in, looked at, rendered anew if they are pictures, and kept.

What comes in (`parts`) is spooled into a file without a name (`spool`), its type is told from its
content (`media_types`), pictures are written anew by a process of their own (`pictures`), and what is
kept goes into an object store (`store`), until it is swept up (`sweeper`). None of it is ever whole
in memory.
"""
