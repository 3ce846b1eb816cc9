"""A cluster for tests: its API server in a process of its own, and a namespace with credentials per test."""

import datetime
import ipaddress
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qs.application.scheduler.executors import Attempt, OutputStream
from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor, KubernetesRules
from tests.support.processes import ending

ROOT = Path(__file__).parents[4]
IMAGE = "registry.example.com/team/report:1.4"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "server.crt", folder / "server.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


@dataclass(frozen=True)
class ClusterAddress:
    port: int
    authority: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def running_api_server(folder: Path) -> Iterator[ClusterAddress]:
    """An API server for the length of the block."""
    certificate, key = make_certificate(folder)
    command = [sys.executable, "-m", "tests.integration.executors.kubernetes.api_server", certificate, key]
    with ending(
        subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the API server did not start"
        yield ClusterAddress(int(port), certificate)


class Space:
    """One test's namespace: how the test gives the cluster its orders, and looks at it."""

    def __init__(self, address: ClusterAddress, folder: Path) -> None:
        self.name = f"t-{uuid4().hex[:12]}"
        self.folder = folder
        self.address = address
        self.token_file = folder / "token"
        self.kubeconfig = folder / "kubeconfig"
        self._http = httpx.AsyncClient(
            base_url=address.url,
            verify=ssl.create_default_context(cafile=str(address.authority)),
            trust_env=False,
            timeout=60,
        )

    async def make(self) -> None:
        token = uuid4().hex
        # With the line feed that editors and echo leave.
        self.token_file.write_text(f"{token}\n")
        self.write_kubeconfig()
        await self.order("create", token=token)

    def write_kubeconfig(self, **cluster: Any) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "qs"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": self.address.url,
                        "certificate-authority": str(self.address.authority),
                        **cluster,
                    },
                }
            ],
            "users": [{"name": "qs", "user": {"tokenFile": str(self.token_file)}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    async def order(self, order: str, **body: Any) -> None:
        answer = await self._http.post(f"/control/{self.name}/{order}", json=body)
        assert answer.status_code == 200, answer.text

    async def fault(self, verb: str, kind: str = "jobs", **fault: Any) -> None:
        """What is to befall the next request of that kind."""
        await self.order("fault", verb=verb, kind=kind, **fault)

    async def release(self, name: str = "go") -> None:
        """Lets scripts go on that ``await`` this."""
        await self.order("release", name=name)

    async def rotate_token(self) -> None:
        token = uuid4().hex
        await self.order("set", token=token)
        self.token_file.write_text(token)

    async def look(self) -> dict[str, Any]:
        """Jobs, pods, calls by verb, open streams, and how often each execution's work was begun."""
        answer = await self._http.get(f"/control/{self.name}")
        found: dict[str, Any] = answer.json()
        return found

    async def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.look())["jobs"]
        return found

    async def job(self) -> dict[str, Any]:
        (job,) = await self.jobs()
        return job

    async def begun(self, attempt: Attempt) -> int:
        """How often the work of this execution was begun."""
        count: int = (await self.look())["begun"].get(str(attempt.execution_id), 0)
        return count

    def rules(self, **changed: Any) -> KubernetesRules:
        given: dict[str, Any] = {
            "namespace": self.name,
            "kubeconfig": self.kubeconfig,
            "images": ("registry.example.com/team/report:1.*",),
            "grace": timedelta(seconds=1),
            "start": timedelta(seconds=0.3),
            "max_deadline": timedelta(minutes=10),
        }
        return KubernetesRules(**(given | changed))

    def template(self, document: Mapping[str, Any]) -> Path:
        path = self.folder / "template.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    async def close(self) -> None:
        await self._http.aclose()


@dataclass
class Written:
    """An Output that keeps what was written."""

    data: bytearray = field(default_factory=bytearray)
    on_write: Callable[[], None] = lambda: None

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        self.data += data
        self.on_write()

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def an_attempt(*script: str, output: Written | None = None, **changed: Any) -> Attempt:
    """An attempt whose container follows the script."""
    target = {"image": IMAGE, "args": list(script)} | changed.pop("target", {})
    given: dict[str, Any] = {
        "execution_id": uuid4(),
        "job_id": uuid4(),
        "job_name": "nightly report",
        "tenant_id": UUID(int=7),
        "scheduled_at": datetime.datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
        "number": 1,
        "idempotency_key": "job:2026-03-01T02:30:00Z",
        "actor": "scheduler",
        "timeout": timedelta(seconds=30),
        "target": target,
        "payload": {"clinic": "north"},
        "output": output or Written(),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    return Attempt(**(given | changed))


Making = Callable[..., KubernetesExecutor]
