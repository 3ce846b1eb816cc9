"""Following a file that people and machines replace: by rename, by ConfigMap symlink, in place, or for a while not at all."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from qs.infra.scheduler.files.strict_yaml import LARGEST_BYTES

_EVERY_S = 1.0
_POKED_S = 0.05


@dataclass(frozen=True, slots=True)
class _Look:
    """What a file was at one moment; two equal looks in a row are a file that nobody is writing."""

    device: int
    inode: int
    mtime_ns: int
    size: int
    digest: bytes


class FileWatch:
    """Hands out the content of a file whenever that has become another and stays so for two looks in a row.

    It looks once a second, at what the path leads to now, so that renames and swapped symlinks are seen whatever
    the file system tells of them. The content is compared, not only its stat: a clock may be too coarse for two
    writes. While the file is away or cannot be read nothing is handed out and ``problem`` says why.

    ``changed`` first hands out what is there when the watch begins. At most 1 MiB and one byte are read, which is
    enough for a reader to refuse the file.
    """

    def __init__(self, path: Path, *, every_s: float = _EVERY_S) -> None:
        self.path = path
        self.problem: str | None = None
        self._every_s = every_s
        self._last: _Look | None = None
        self._handed_out: bytes | None = None
        self._poked = asyncio.Event()
        self._wanted = False

    def poke(self) -> None:
        """The next content is handed out at once, whether it changed or not; called in the loop's thread, as on SIGHUP."""
        self._wanted = True
        self._poked.set()

    async def changed(self) -> bytes:
        """Waits for the next content."""
        while True:
            if self._poked.is_set():
                self._poked.clear()
                # A look that was under way may have answered an earlier poke.
                self._wanted = True
            content = await asyncio.to_thread(self.look)
            if content is not None:
                return content
            # Somebody waits for an answer, so the second look follows soon.
            await self._rest(
                min(_POKED_S, self._every_s) if self._wanted and self.problem is None else self._every_s
            )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.changed()

    def look(self) -> bytes | None:
        """One look at the file: its content if that is to be handed out now."""
        found = self._found()
        settled = found is not None and found[0] == self._last
        self._last = found[0] if found else None
        if found is None or not settled:
            return None
        look, content = found
        if look.digest == self._handed_out and not self._wanted:
            return None
        self._handed_out = look.digest
        self._wanted = False
        return content

    def _found(self) -> tuple[_Look, bytes] | None:
        try:
            # A FIFO put in its place must not hold us up.
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(fd, "rb") as file:
                content = file.read(LARGEST_BYTES + 1)
                stat = os.fstat(fd)
        except OSError as error:
            self.problem = (
                f"{self.path} cannot be read ({error.strerror}), so what was read last stays in force"
            )
            return None
        self.problem = None
        digest = hashlib.blake2b(content, digest_size=16).digest()
        return _Look(stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size, digest), content

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._poked.wait()
        except TimeoutError:
            return
