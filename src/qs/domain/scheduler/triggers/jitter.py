"""Spreading jobs that share a slot, by the same amount on every node."""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from qs.domain.scheduler.triggers.stretches import EPOCH


def jittered(job_id: UUID, slot: datetime, jitter: timedelta) -> datetime:
    """When a slot is to be fired: up to, but not, ``jitter`` later, always the same for that job and slot.

    The slot keeps its nominal time; this is only when it is claimed.
    """
    if jitter <= timedelta(0):
        return slot
    microseconds = (slot - EPOCH) // timedelta.resolution
    digest = int.from_bytes(sha256(job_id.bytes + str(microseconds).encode()).digest()[:8])
    return slot + timedelta(microseconds=digest % (jitter // timedelta.resolution))
