"""Executions that are asked for by messages, and where their keys are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One execution of a job under a key of the sender's; ``digest`` tells requests with other content apart."""

    job_id: UUID
    key: str
    digest: bytes
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """What was done about a key."""

    digest: bytes
    execution_id: UUID


class RequestRepository(Protocol):
    """The keys of the tenant, kept as long as the history of executions."""

    async def find(self, key: str) -> KnownRequest | None: ...

    async def add(self, request: JobRequest, execution_id: UUID) -> bool:
        """False, and nothing written, where the key was used by a transaction that committed meanwhile."""
        ...
