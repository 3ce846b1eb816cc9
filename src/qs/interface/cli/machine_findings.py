"""What the doctor looks at on this machine: folders and disks, open files, the certificate that the API serves."""

import asyncio
import errno
import resource
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from qs.interface.cli.findings import Finding, found, well
from qs.settings import Settings

T = TypeVar("T")

_FULL, _FILLING = 0.03, 0.10
# Connections of callers and the pool, beside libraries, logs and sockets; what systems give by default is enough.
_FEWEST_DESCRIPTORS = 1024
_RENEWED_BEFORE = timedelta(days=14)


async def machine_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings that no server is asked for. A disk that does not answer holds up this check and no other."""
    for finding in await _aside(lambda: list(_folders(settings))):
        yield finding
    yield _descriptors()
    if settings.server.tls.cert_file is not None:
        yield _certificate(settings.server.tls.cert_file)


async def _aside(work: Callable[[], T]) -> T:
    """What ``work`` returns, from a thread that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(tell: Callable[[], None]) -> None:
        # The loop is closed, or nobody waits any more, where the file system took too long.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if done.done() else tell())

    def live() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            failure = error
            settle(lambda: done.set_exception(failure))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=live, daemon=True).start()
    return await done


def _folders(settings: Settings) -> Iterator[Finding]:
    folders = {"home": settings.home.expanduser()}
    if settings.log.path is not None:
        folders["log.path"] = settings.log.path.expanduser().parent
    for subject, folder in folders.items():
        if (reason := _unwritable(folder)) is not None:
            yield found("home.unwritable", subject, f"{folder}: {reason}")
            continue
        yield _room(subject, folder)


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there, or into the folder in which it will be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        # That it is full is said as such.
        return None if error.errno == errno.ENOSPC else error.strerror or str(error)


def _room(subject: str, folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    free = usage.free / usage.total if usage.total else 1.0
    what = f"{folder}: {usage.free / 2**20:,.0f} MiB free, {free:.0%} of its disk"
    if free < _FULL:
        return found("disk.full", f"{subject} disk", what)
    if free < _FILLING:
        return found("disk.filling", f"{subject} disk", what)
    return well(f"{subject} disk", what)


def _descriptors() -> Finding:
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < _FEWEST_DESCRIPTORS:
        return found("descriptors.few", "open files", f"up to {limit} in a process (hard limit {most})")
    return well("open files", f"up to {limit} in a process started like this one")


def _certificate(file: Path) -> Finding:
    ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    what = f"{file}: ends {ends:%Y-%m-%d}"
    now = datetime.now(UTC)
    if ends <= now:
        return found("certificate.ended", "server.tls.cert_file", what)
    if ends - now < _RENEWED_BEFORE:
        return found("certificate.ends", "server.tls.cert_file", what)
    return well("server.tls.cert_file", what)
