"""Identifiers are handed to the domain, never made by it."""

from collections.abc import Callable
from uuid import UUID

IdGenerator = Callable[[], UUID]
"""Returns a new, time-ordered identifier (UUIDv7, RFC 9562) at every call."""

PLATFORM_TENANT = UUID("00000000-0000-7000-8000-000000000000")
"""The reserved tenant that owns platform-wide slots, executions and audit rows."""

DEFAULT_TENANT = UUID("00000000-0000-7000-8000-000000000001")
"""The tenant that exists from the first migration on, for installations that need only one."""
