"""What a worker asks of a supervisor, what it is told, and how both are written down between them.

To the supervisor: one frame with the order, then single bytes; the end of the stream says that the worker is gone.
From it: frames of what the command wrote, and reports.
"""

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

STOP = b"S"
"""TERM, the grace period, KILL."""

OUT, ERR, REPORT = b"o", b"e", b"r"
"""What a frame holds: bytes of the command's standard output or error, or a report as JSON."""

HEADER = struct.Struct(">cI")
"""Kind and length, before each frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of each process (setrlimit), None for none; ``tasks`` bounds all processes and threads together."""

    cpu_s: int | None = None
    memory_mb: int | None = None
    file_size_mb: int | None = None
    files: int = 256
    tasks: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command. Without ``cwd`` it runs in an empty directory below ``work_root``.

    ``flood_bytes`` of output end the command; of less, what is beyond ``output_bytes`` is dropped.
    """

    argv: list[str]
    env: dict[str, str]
    cwd: str | None
    work_root: str
    timeout_s: float
    grace_s: float
    output_bytes: int
    flood_bytes: int | None = None
    isolated: bool = True
    limits: Limits = field(default_factory=Limits)

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Order":
        fields: dict[str, Any] = json.loads(data)
        return cls(**fields | {"limits": Limits(**fields["limits"])})


def frame(kind: bytes, data: bytes) -> bytes:
    return HEADER.pack(kind, len(data)) + data


def report(**fields: Any) -> bytes:
    return frame(REPORT, json.dumps(fields).encode())
