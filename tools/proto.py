"""Generates the Python stubs from the contract: typed, committed, the same for everyone."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = ROOT / "third_party"

# The contract's options are read through this one at run time, so Python needs its module too. It
# stays in third_party: stubs/ holds nothing but our own contract.
VENDORED = ("buf/validate/validate.proto",)

# googleapis-common-protos brings these modules, and a second one that registers the same file would
# collide. It brings them without types that a strict checker accepts, so only those are generated.
VENDORED_FOR_TYPES = (
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)


def generate(out: Path) -> list[Path]:
    """Writes all generated files below `out` and removes those whose proto is gone.

    Args:
        out: The folder that gets `stubs/` and `third_party/`; the repository's root, or a scratch
            folder to compare with.

    Returns:
        What was written, changed or not, relative to `out`.
    """
    contract = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory(prefix="paperplane-proto-") as scratch:
        fresh = Path(scratch)
        stubs, third_party = fresh / "stubs", fresh / "third_party"
        stubs.mkdir()
        third_party.mkdir()
        if contract:
            _messages(contract, stubs)
            _services(contract, stubs)
        _messages(VENDORED, third_party)
        _protoc(VENDORED_FOR_TYPES, f"--mypy_out=quiet:{third_party}")
        written = sorted(path.relative_to(fresh) for path in fresh.rglob("*.py*") if path.is_file())
        for path in written:
            _write_if_different(out / path, (fresh / path).read_bytes())
    _remove_stale(out / "stubs", keep={out / path for path in written})
    return written


def _messages(names: Iterable[str], out: Path) -> None:
    _protoc(names, f"--python_out={out}", f"--mypy_out=quiet:{out}")


def _services(names: Iterable[str], out: Path) -> None:
    # protoc's plugin would leave an empty *_pb2_grpc.py beside every file that declares no service.
    with tempfile.NamedTemporaryFile(suffix=".binpb") as described:
        _protoc(names, f"--descriptor_set_out={described.name}")
        files = descriptor_pb2.FileDescriptorSet.FromString(described.read()).file
    serving = [file.name for file in files if file.service]
    if serving:
        _protoc(serving, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")


def _protoc(names: Iterable[str], *outputs: str) -> None:
    # The plugins are named by path, for a virtual environment that runs without being activated.
    scripts = Path(sys.executable).parent
    bundled = resources.files("grpc_tools") / "_proto"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"--proto_path={root}" for root in (PROTOS, THIRD_PARTY, bundled)),
            *(
                f"--plugin={plugin}={scripts / plugin}"
                for plugin in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
            ),
            *outputs,
            *names,
        ],
        check=True,
    )


def _write_if_different(path: Path, content: bytes) -> None:
    # An untouched file keeps its time stamp, and with it the caches of tests and type checkers.
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _remove_stale(stubs: Path, *, keep: set[Path]) -> None:
    for path in sorted(stubs.rglob("*_pb2*.py*"), reverse=True):
        if path.is_file() and path not in keep and "__pycache__" not in path.parts:
            path.unlink()
    for folder in sorted((path for path in stubs.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def main() -> None:
    """Parses the command line and generates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT, help="where stubs/ and third_party/ go")
    out: Path = parser.parse_args().out
    print(f"{len(generate(out.resolve()))} generated files are up to date")


if __name__ == "__main__":
    main()
