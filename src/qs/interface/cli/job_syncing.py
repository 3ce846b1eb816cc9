"""What `qs scheduler sync` does: every source of declared jobs is read and applied now."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qs.application.scheduler.authoring import Change
from qs.application.scheduler.declaring import Synced
from qs.domain.scheduler.job import JobSource
from qs.interface.cli.output import rows
from qs.settings.sources import find_file

if TYPE_CHECKING:
    from rich.table import Table

    from qs.container import Container

# A file counts as written when two looks find it alike.
_SETTLES_IN_S = 0.1
_DONE = ("created", "changed", "removed", "unchanged", "refused")


@dataclass(slots=True)
class SyncedSource:
    """What became of the jobs of one source; without ``changes`` it could not be read."""

    source: JobSource
    owner: str | None
    changes: dict[str, Change] = field(default_factory=dict)
    was_read: bool = False


async def sync_sources(container: "Container") -> list[SyncedSource]:
    """Reads and applies every source; the changes of each, by name."""
    sources = container.job_sources()
    found = {(each.source, each.owner): each for each in _files(container)}
    looks = [*await sources.sync_now()]
    await asyncio.sleep(_SETTLES_IN_S)
    looks += await sources.look()
    for look in looks:
        _note(found.setdefault((look.source, look.owner), SyncedSource(look.source, look.owner)), look)
    return list(found.values())


def problems_of(synced: Sequence[SyncedSource]) -> list[str]:
    """A sentence for each job and file that cannot be used as it is written."""
    return list(_problems(synced))


def synced_data(synced: Sequence[SyncedSource]) -> dict[str, Any]:
    return {
        "sources": [
            {
                "source": each.source,
                "owner": each.owner,
                "read": each.was_read,
                **_counts(each.changes),
                "jobs": [
                    {"name": change.name, "action": change.action, "problem": change.problem}
                    for change in each.changes.values()
                ],
            }
            for each in synced
        ]
    }


def synced_table(synced: Sequence[SyncedSource]) -> "Table":
    return rows(
        ("source", *_DONE),
        [(_name(each), *(_counts(each.changes) if each.was_read else {}).values()) for each in synced],
    )


def _files(container: "Container") -> Iterator[SyncedSource]:
    """The files that are to be read; one that cannot be has no part in what is applied."""
    if find_file(None, os.environ) is not None:
        yield SyncedSource(JobSource.DECLARED, "settings")
    if container.settings().scheduler.jobs_file is not None:
        yield SyncedSource(JobSource.DECLARED, "jobs_file")


def _note(source: SyncedSource, look: Synced) -> None:
    source.was_read = True
    for change in look.changes:
        # The second look finds unchanged what the first one wrote.
        if change.action != "unchanged" or change.name not in source.changes:
            source.changes[change.name] = change


def _problems(synced: Sequence[SyncedSource]) -> Iterator[str]:
    for each in synced:
        if not each.was_read:
            yield f"{_name(each)} could not be read, so its jobs stay as they were; mend it and sync again"
        for change in each.changes.values():
            if change.problem is not None:
                yield f"{_name(each)}: {change.name}: {change.problem}"


def _counts(changes: Mapping[str, Change]) -> dict[str, int]:
    return {action: sum(change.action == action for change in changes.values()) for action in _DONE}


def _name(source: SyncedSource) -> str:
    return {
        "settings": "settings file",
        "jobs_file": "jobs file",
        "sys_crontab": "table sys_crontab",
    }.get(source.owner or "", source.source.value)
