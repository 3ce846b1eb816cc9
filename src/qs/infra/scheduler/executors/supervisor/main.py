"""Where a supervisor begins: ``main`` with the worker's process id, the order on standard input."""

import os
import signal

from qs.infra.scheduler.executors.supervisor import linux
from qs.infra.scheduler.executors.supervisor.order import HEADER, Order
from qs.infra.scheduler.executors.supervisor.outlet import Outlet
from qs.infra.scheduler.executors.supervisor.watching import WORKER_GONE, Watch


def main(worker: int) -> None:
    """Runs one command; without a worker or an order there is none."""
    linux.adopt_orphans()
    linux.hide_memory()
    wake = _listen()
    linux.signal_when_parent_dies(WORKER_GONE)
    if os.getppid() != worker:
        return
    order = _order()
    if order is not None:
        Watch(order, 0, wake, Outlet(1, order.output_bytes)).run()


def _listen() -> int:
    """Signals come as bytes to where the watch waits; none of them may interrupt it between two steps."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, WORKER_GONE):
        signal.signal(number, lambda _number, _frame: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    return wake


def _order() -> Order | None:
    head = _read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    _, length = HEADER.unpack(head)
    data = _read(length)
    return Order.decode(data) if len(data) == length else None


def _read(length: int) -> bytes:
    """Exactly so many bytes, or fewer at the end of the stream; no byte of what follows."""
    data = b""
    while len(data) < length and (more := os.read(0, length - len(data))):
        data += more
    return data
