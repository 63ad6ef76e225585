"""The committed stubs are what the contract says today, or clients and servers would disagree."""

from pathlib import Path

import pytest

from tools import proto


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    scratch = tmp_path_factory.mktemp("generated")
    return {path: (scratch / path).read_bytes() for path in proto.generate(scratch)}


def test_committed_stubs_are_what_make_proto_would_write(expected: dict[Path, bytes]) -> None:
    stale = [
        str(path)
        for path, content in expected.items()
        if not (proto.ROOT / path).is_file() or (proto.ROOT / path).read_bytes() != content
    ]
    assert not stale, f"run `make proto`: {stale}"


def test_no_stub_is_left_of_a_proto_that_is_gone(expected: dict[Path, bytes]) -> None:
    committed = {path.relative_to(proto.ROOT) for path in proto.ROOT.glob("stubs/**/*_pb2*.py*")}

    leftovers = sorted(
        str(path) for path in committed - set(expected) if "__pycache__" not in path.parts
    )
    assert not leftovers, f"run `make proto`: {leftovers}"
