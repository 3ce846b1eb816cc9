"""What is true of the call being served, bound once at its edge and read where rows and logs name it."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The caller's or our own id of the request; None outside one."""
