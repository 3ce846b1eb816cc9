"""A job: what is run, when, and what is wanted when that does not go as planned."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any
from uuid import UUID

from qs.domain.scheduler.errors import ChainCycle
from qs.domain.scheduler.policies import Policies
from qs.domain.scheduler.triggers import TriggerSpec


class JobSource(StrEnum):
    """Where a job is written down; who may change it follows from that."""

    STORED = "stored"
    DECLARED = "declared"
    CODE = "code"
    SYS_CRONTAB = "sys_crontab"


class JobStatus(StrEnum):
    """``finished``: it has no further slot. ``config_error``: what was written cannot be carried out."""

    ACTIVE = "active"
    FINISHED = "finished"
    CONFIG_ERROR = "config_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is run: the kind of executor and what that needs to know."""

    kind: str
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """What somebody wrote about a job. ``owner`` names the file or client that applied it, for pruning."""

    name: str
    trigger: TriggerSpec
    target: Target
    payload: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    queue: str = "default"
    priority: int = 0
    policies: Policies = field(default_factory=Policies)
    remarks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigError:
    """Why a job cannot be carried out: the field, the value that stood there, and what must be true."""

    field: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A definition and where its clock stands. All instants are system time (aware UTC).

    ``next_slot`` is the nominal next firing, ``next_fire_at`` the same with the job's jitter; both are None when it
    is disabled, finished or in error. ``anchor`` is where the grid of a duration begins. ``runs`` counts the slots that
    fired, for ``max_runs``. ``version`` is what an ETag is made of.
    """

    id: UUID
    tenant_id: UUID
    source: JobSource
    owner: str | None
    definition: JobDefinition
    status: JobStatus
    error: ConfigError | None = None
    anchor: datetime
    next_slot: datetime | None = None
    next_fire_at: datetime | None = None
    runs: int = 0
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def name(self) -> str:
        return self.definition.name


def refuse_cycles(links: Mapping[str, Iterable[str]]) -> None:
    """Says no to chains in which a job comes to start itself; ``links`` are all of a tenant's, by job name.

    Raises:
        ChainCycle: with the way round, job by job.
    """
    try:
        TopologicalSorter(links).prepare()
    except CycleError as error:
        # graphlib tells the way against the arrows.
        raise ChainCycle(tuple(reversed(error.args[1]))) from error
