"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

MOST_SEQ = 10**9
"""No two people write more messages, and no request could carry just any number."""

Person = Annotated[str, typer.Argument(metavar="PERSON", help="A handle, or id:...")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many to list at most.")]
Seq = Annotated[
    int, typer.Argument(min=1, max=MOST_SEQ, metavar="NUMBER", help="The message's number.")
]
