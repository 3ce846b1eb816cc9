"""`qs demo`: a published trial from enrollment to the last expiry, on servers of its own."""

from qs.interface.cli.demo.command import app

__all__ = ["app"]
