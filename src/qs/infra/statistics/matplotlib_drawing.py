"""Pictures by matplotlib, which is loaded with the first of them and draws in one thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from qs.application.statistics.drawing import Chart, Drawn, Look
from qs.domain.statistics.errors import DrawingBusy, DrawingMissing

INSTALL = "pip install 'qs[plots]'"
MOST_WAITING = 64

# Its settings and fonts are the whole process's, so one picture at a time is drawn in it, beside the event loop.
_ARTIST = ThreadPoolExecutor(1, thread_name_prefix="drawing")


class MatplotlibDrawing:
    """At most 64 pictures wait in this process: each takes a good part of a second of one core."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._waiting = 0

    def missing(self) -> str | None:
        return None if find_spec("matplotlib") else INSTALL

    async def draw(self, chart: Chart, look: Look) -> Drawn:
        if self.missing():
            raise DrawingMissing("matplotlib", INSTALL)
        if self._waiting >= self._most_waiting:
            raise DrawingBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_ARTIST, _draw, chart, look)
        finally:
            self._waiting -= 1


def require_matplotlib() -> None:
    """Loads it. Raises DrawingMissing."""
    try:
        import qs.infra.statistics.canvas  # noqa: F401
    except ModuleNotFoundError as error:
        raise DrawingMissing(str(error.name), INSTALL) from error


def _draw(chart: Chart, look: Look) -> Drawn:
    require_matplotlib()
    from qs.infra.statistics.canvas import file_of
    from qs.infra.statistics.plots import figure_of

    return file_of(figure_of(chart, look), look)
