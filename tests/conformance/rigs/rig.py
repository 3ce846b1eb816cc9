"""What a test needs of an executor to hold it to the promises of the port."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from qs.application.scheduler.executors import Attempt, Executor, OutputStream

SECRET_NAME = "conformance"
SECRET = "pa55/w0rd+of the&rig"
GREETING = b"hello from the target"

TENANT_ID = UUID("0190a0b0-0000-7000-8000-000000000001")
SCHEDULED_AT = datetime(2026, 3, 9, 10, 30, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Target = Mapping[str, Any]


class KeptOutput:
    """An Output that keeps everything."""

    def __init__(self) -> None:
        self.writes: list[tuple[OutputStream, bytes]] = []

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        self.writes.append((stream, data))

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.writes)

    def of(self, stream: OutputStream) -> bytes:
        return b"".join(data for of, data in self.writes if of == stream)


def an_attempt(target: Target, **fields: Any) -> Attempt:
    """An attempt of a scheduled execution; its output is a ``KeptOutput`` unless told otherwise."""
    job_id = uuid4()
    usual: dict[str, Any] = {
        "execution_id": uuid4(),
        "job_id": job_id,
        "job_name": "nightly-report",
        "tenant_id": TENANT_ID,
        "scheduled_at": SCHEDULED_AT,
        "number": 1,
        "idempotency_key": f"{job_id}:2026-03-09T10:30:00Z",
        "actor": "scheduler",
        "timeout": timedelta(seconds=60),
        "payload": {"day": "2026-03-09"},
        "output": KeptOutput(),
        "traceparent": TRACEPARENT,
    }
    return Attempt(target=target, **usual | fields)


def output_of(attempt: Attempt) -> KeptOutput:
    assert isinstance(attempt.output, KeptOutput)
    return attempt.output


async def _none() -> int:
    return 0


@dataclass(kw_only=True)
class Rig:
    """An executor and targets of its kind.

    ``succeeding`` writes GREETING; ``failing`` fails so that trying again makes sense, ``failing_for_good`` so that it
    makes none; ``hanging`` never ends by itself, and ``running`` counts those that have begun and not ended. ``telling``
    lets ``told`` say what the target heard of the attempt. ``wrong`` are targets with the pointers of their problems.
    Where a kind knows secrets, ``secretive`` writes the one named SECRET_NAME, and ``lacking`` names one nobody has set.
    """

    executor: Executor
    succeeding: Target
    failing: Target
    failing_for_good: Target
    hanging: Target
    telling: Target
    told: Callable[[Attempt], Mapping[str, Any]]
    wrong: Sequence[tuple[Target, str]]
    running: Callable[[], Awaitable[int]] = _none
    secretive: Target | None = None
    lacking: Target | None = None
    secrets: Mapping[str, str] = field(default_factory=lambda: {SECRET_NAME: SECRET})
