"""The product's guide, step by step, as any client can follow it: with stubs of its own, and with plain HTTP."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import grpc
import httpx
import pytest

from tests.support.clients import STUBS, ConnectClient, GrpcClient, Services
from tests.support.guide import Enter, follow_the_guide
from tests.support.system import SystemUnderTest

pytestmark = pytest.mark.both_databases

ROOT = Path(__file__).resolve().parents[2]


def generate_stubs(folder: Path) -> None:
    """Generate stubs from `protos/` as whoever writes a client does."""
    bundled = resources.files("grpc_tools") / "_proto"
    names = [
        path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos").rglob("*.proto")
    ]
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{root}" for root in (ROOT / "protos", ROOT / "third_party", bundled)),
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            *names,
        ],
        check=True,
    )


@contextmanager
def importing_from(folder: Path) -> Generator[None]:
    """Import the contract's packages from a folder for as long as the context lasts."""
    ours = {name: module for name, module in sys.modules.items() if _is_stub(name)}
    for name in ours:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if _is_stub(name)]:
            del sys.modules[name]
        sys.modules.update(ours)


def _is_stub(name: str) -> bool:
    return name.partition(".")[0] == "paperplane"


@pytest.fixture(scope="session")
def fresh_stubs(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("stubs")
    generate_stubs(folder)
    with importing_from(folder):
        modules = [
            (importlib.import_module(f"{name}_pb2"), importlib.import_module(f"{name}_pb2_grpc"))
            for name in (
                "paperplane.friendship.v1.friendship",
                "paperplane.messaging.v1.messaging",
            )
        ]
    for module, _ in modules:
        assert str(module.__file__).startswith(str(folder))
    return Services(*modules)


@pytest.fixture(params=["grpc", "connect"])
async def sign_in(
    request: pytest.FixtureRequest, system: SystemUnderTest, fresh_stubs: Services
) -> AsyncIterator[Enter]:
    """Signs a person in: over the gRPC port, or over HTTP."""

    def token(person_id: str) -> str:
        answer = httpx.post(
            f"{system.http}/dev/token", json={"personId": person_id}, trust_env=False
        )
        return str(answer.raise_for_status().json()["token"])

    if request.param == "grpc":
        async with grpc.aio.insecure_channel(system.target) as channel:
            yield lambda person_id: GrpcClient(channel, fresh_stubs, token(person_id))
    else:
        async with httpx.AsyncClient(base_url=system.http, trust_env=False) as http:
            yield lambda person_id: ConnectClient(http, STUBS.paths, token(person_id))


async def test_the_guide_step_by_step(sign_in: Enter) -> None:
    await follow_the_guide(sign_in)
