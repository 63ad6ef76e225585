"""A file is looked at before it is sent, and every one that can't be is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import Misused
from cli.uploads import local_files


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("beach.PNG", "image/png"),
        ("notes.txt", "text/plain"),
        ("data:text,x.jpg", "image/jpeg"),
        ("notes.txt.gz", ""),
        ("notes", ""),
        (".bashrc", ""),
    ],
)
def test_a_type_is_told_by_the_name(tmp_path: Path, name: str, content_type: str) -> None:
    path = tmp_path / name
    path.write_text("four")
    [file] = local_files([path])
    assert (file.name, file.content_type, file.size_bytes) == (name, content_type, 4)


def test_what_is_no_path_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Misused) as refused:
        local_files([tmp_path / "a\0b", tmp_path])
    assert [note.partition(": ")[2] for note in refused.value.notes] == [
        "there is no such file",
        "it is a folder",
    ]
