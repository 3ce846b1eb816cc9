"""Ports of loopback for servers that a test stops and starts again."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def lasting_port() -> int:
    """A port that nobody listens at, and that the system gives to no connection and to nobody who takes any port.

    One that was bound to 0 may be a client's the moment it is let go.
    """
    given_out_from = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    candidates = range(_LOWEST, given_out_from if given_out_from > _LOWEST + 1000 else 60_000)
    while True:
        port = random.SystemRandom().choice(candidates)
        with socket.socket() as asked:
            try:
                asked.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
