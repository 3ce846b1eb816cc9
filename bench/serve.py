"""`python -m bench.serve APPLICATION FD`: an ASGI application under uvicorn, with the options of ``qs api``."""

import socket
import sys

import uvicorn

from qs.interface.cli.protocol import BoundedProtocol

_PEERS = ("bench.peers:one_task", "bench.peers:bare_litestar")


def main(application: str, fd: str) -> None:
    # uvicorn's own --fd takes the socket for a local one and leaves Nagle's algorithm on.
    listener = socket.socket(fileno=int(fd))
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools" if application in _PEERS else BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        factory=application.startswith("bench."),
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
