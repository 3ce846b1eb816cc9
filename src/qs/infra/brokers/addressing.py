"""Where a broker is and who we are there."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

_PORTS = {"kafka": 9092, "nats": 4222, "rabbitmq": 5672, "nsq": 4150}
_TLS_PORTS = {**_PORTS, "rabbitmq": 5671}


def default_port(kind: str, *, tls: bool) -> int:
    """Where such a broker listens unless it is told otherwise. Raises KeyError for a type there is none of."""
    return (_TLS_PORTS if tls else _PORTS)[kind]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """One server of the broker; clients of a cluster learn of the others from it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    mechanism: str = "plain"
    virtual_host: str = "/"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """The authorities that are believed: those of ``ca_file``, else the machine's; None without TLS."""
        if not self.tls:
            return None
        return ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
