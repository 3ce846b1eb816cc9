"""What Linux can do and Python has no name for: prctl(2) and landlock(7)."""

import ctypes
import os
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

# Numbers that all architectures Python runs on have in common.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_SCOPE_SIGNAL = 2
_ABI_WITH_SCOPES = 6


def signal_when_parent_dies(number: int) -> None:
    """The signal comes when the thread that forked us ends; who forks checks afterwards that it was not too late."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Descendants whose parents die become our children."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """No other process of our user can read or trace us, and our files below /proc are root's."""
    _prctl(_PR_SET_DUMPABLE, 0)


def show_memory() -> None:
    """Takes ``hide_memory`` back."""
    _prctl(_PR_SET_DUMPABLE, 1)


def gain_nothing() -> None:
    """No program started from here on gets rights by its set-user-id bit or its capabilities."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def isolate() -> bool:
    """From here on we and our descendants can signal and trace one another and nobody else; False where Linux cannot.

    Needs Linux 6.12 with Landlock, and ``gain_nothing`` before.
    """
    if landlock_abi() < _ABI_WITH_SCOPES:
        return False
    rules = struct.pack("QQQ", 0, 0, _LANDLOCK_SCOPE_SIGNAL)
    ruleset = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        _fail()
    if _LIBC.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
        _fail()
    os.close(ruleset)
    return True


def landlock_abi() -> int:
    """What version of Landlock the kernel offers; 0 or less for none."""
    return int(
        _LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION)
    )


def _prctl(option: int, value: int) -> None:
    if (
        _LIBC.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
        != 0
    ):
        _fail()


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
