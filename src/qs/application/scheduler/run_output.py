"""What an attempt writes, kept in pieces as it is written, up to a cap."""

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog

from qs.application.scheduler.executors import OutputStream
from qs.application.scheduler.job_ports import Held, JobUnitOfWork, JobUnitOfWorkFactory, PlacedOutput

_log = structlog.get_logger()

PIECE_BYTES = 16 * 1024
MOST_BYTES = 1024 * 1024
FLUSH_EVERY_S = 0.25
_LAST_TRIES_S = (0.0, 0.2, 1.0, 2.0)
# As much is written together with the end of the attempt, and with the ends of hundreds of others.
_WITH_THE_END_BYTES = 64 * 1024


class RunOutput:
    """Implements Output for one attempt; followers see what was written within a quarter of a second.

    The database may be away for a while: what cannot be kept stays in memory, of which there is no more than the cap.
    """

    def __init__(self, unit_of_work: JobUnitOfWorkFactory, tenant_id: UUID, held: Held, attempt: int) -> None:
        self._unit_of_work = unit_of_work
        self._tenant_id = tenant_id
        self._held = held
        self._attempt = attempt
        self._pieces: list[tuple[str, bytearray]] = []
        # Pieces that may have been kept although nobody said so; a second try must find them as they were.
        self._unsure = 0
        # An execution that is attempted for the first time has written nothing before.
        self._position = 0 if attempt == 1 else None
        self._left = MOST_BYTES
        self._flushing: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        if self._left <= 0 or not data:
            return
        if len(data) > self._left:
            data, self._left = data[: self._left], 0
            self._append(data, stream)
            self._append(
                f"\n[output beyond {MOST_BYTES // 1024} KiB was dropped]\n".encode(), OutputStream.LOG
            )
        else:
            self._left -= len(data)
            self._append(data, stream)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_now_and_then(), name=f"output-{self._held.id}")

    async def end(self) -> None:
        """Nothing more is written: a little that is left is for whoever writes the end of the attempt (``rest``)."""
        await self._stop_flushing()
        if self._unsure or sum(len(data) for _, data in self._pieces) > _WITH_THE_END_BYTES:
            await self.close()

    async def rest(self, uow: JobUnitOfWork) -> list[PlacedOutput]:
        """What is to be kept with the end of the attempt, the same however often it is asked for."""
        return await self._placed(uow, self._pieces) if self._pieces else []

    async def close(self) -> None:
        """Keeps what is left; raises nothing, since the end of the attempt matters more than its last words."""
        await self._stop_flushing()
        for pause_s in _LAST_TRIES_S:
            if not self._pieces:
                return
            await asyncio.sleep(pause_s)
            await self._flush()

    async def _stop_flushing(self) -> None:
        self._ended.set()
        if self._flushing is not None:
            await asyncio.wait({self._flushing})

    def _append(self, data: bytes, stream: OutputStream) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            part = data[start : start + PIECE_BYTES]
            last = self._pieces[-1] if len(self._pieces) > self._unsure else None
            if last is not None and last[0] == stream.value and len(last[1]) + len(part) <= PIECE_BYTES:
                last[1].extend(part)
            else:
                self._pieces.append((stream.value, bytearray(part)))

    async def _flush_now_and_then(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY_S):
                    await self._ended.wait()
            if self._pieces and not self._ended.is_set():
                await self._flush()

    async def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        try:
            async with self._unit_of_work(self._tenant_id) as uow:
                placed = await self._placed(uow, pieces)
                await uow.runs.append_output(placed)
                await uow.commit("run.output")
                self._position, self._unsure = placed[-1].position + len(placed[-1].data), 0
        except Exception:  # noqa: BLE001 - whatever keeps a piece from the database, the next flush may get through
            self._pieces, self._unsure = pieces + self._pieces, len(pieces)
            _log.warning("output_not_kept", execution_id=str(self._held.id), exc_info=True)

    async def _placed(self, uow: JobUnitOfWork, pieces: list[tuple[str, bytearray]]) -> list[PlacedOutput]:
        if self._position is None:
            self._position = await uow.runs.output_end(self._held.id)
        placed, position = [], self._position
        for stream, data in pieces:
            placed.append(PlacedOutput(self._held, self._attempt, position, stream, bytes(data)))
            position += len(data)
        return placed
