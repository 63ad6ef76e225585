"""Shows how far a file has come, where someone sits at a terminal to see it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console

from cli.text import one_line

Progress = Callable[[str, int, int], None]
"""Is told a file's name, how many of its bytes are through, and how many there are."""


def unseen(name: str, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def progress_bar(terminal: Console) -> Generator[Progress]:
    """Show a bar for one file after the other, gone once the context ends.

    Arguments:
        terminal: where to show it.
    """
    # Most commands move no files.
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Bar(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("")

        def show(name: str, done: int, total: int) -> None:
            bar.update(task, description=one_line(name), completed=done, total=total)

        yield show
