"""PostgreSQL and Valkey from wheels, kept by a small process of our own, for machines that have neither.

Every client holds a lease, which is a kernel lock; one detached keeper per home owns the servers and stops
them when the last lease is gone. Nothing listens on the network.
"""

from qs.infra.embedded.errors import EmbeddedUnavailable
from qs.infra.embedded.lease import Lease, ensure
from qs.infra.embedded.status import Status, discard, status, stop

__all__ = ["EmbeddedUnavailable", "Lease", "Status", "discard", "ensure", "status", "stop"]
