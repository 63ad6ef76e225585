"""The Envoy that stands in front of the gateways, with the configuration that is delivered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.system import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "envoy.yaml"
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Edge:
    """One TLS port for everything.

    Attributes:
        port: which.
        certificate: what clients have to trust, as PEM.
    """

    port: int
    certificate: bytes

    @property
    def url(self) -> str:
        """Where HTTP is served."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        """What an HTTP client has to trust."""
        return ssl.create_default_context(cadata=self.certificate.decode())


@asynccontextmanager
async def an_edge(grpc_port: int, http_port: int, folder: Path) -> AsyncGenerator[Edge]:
    """Run an Envoy in front of a gateway's two ports for as long as the context lasts."""
    port = free_port()
    certificate = _make_certificate(folder)
    configuration = CONFIGURATION.read_text()
    for delivered, here in (
        ("address: 0.0.0.0", "address: 127.0.0.1"),
        ("port_value: 8443", f"port_value: {port}"),
        (
            "address: gateway, port_value: 50051",
            f"address: 127.0.0.1, port_value: {grpc_port}",
        ),
        (
            "address: gateway, port_value: 8080",
            f"address: 127.0.0.1, port_value: {http_port}",
        ),
        ("/run/tls/", f"{folder}/"),
    ):
        assert delivered in configuration
        configuration = configuration.replace(delivered, here)
    file = folder / "envoy.yaml"
    file.write_text(configuration)
    process = await asyncio.create_subprocess_exec(
        _program(),
        *("--config-path", file, "--disable-hot-restart", "--concurrency", "1"),
        *("--log-level", "warning", "--log-path", folder / "envoy.log"),
    )
    edge = Edge(port, certificate)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await _answers(edge):
                assert process.returncode is None, (folder / "envoy.log").read_text()
        yield edge
        assert "[warning]" not in (log := (folder / "envoy.log").read_text()), log
    finally:
        process.kill()
        await process.wait()


def _program() -> Path:
    found = find_spec("envoy")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("_bin") / "envoy"


async def _answers(edge: Edge) -> bool:
    async with httpx.AsyncClient(verify=edge.trust, trust_env=False) as http:
        try:
            return (await http.get(f"{edge.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False


def _make_certificate(folder: Path) -> bytes:
    """Make a key and a certificate for this machine; return the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate
