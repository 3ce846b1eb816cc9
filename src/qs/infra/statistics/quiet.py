"""What warnings are shown is the whole process's affair: one thread at a time changes it, and puts it back."""

import threading

SILENCE = threading.Lock()
"""Held around ``warnings.catch_warnings``: two threads that put it back out of turn would change it for good."""
