"""Environments of their own for peers, made once and kept."""

import asyncio
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_MADE = "made"


class PeerAbsent(RuntimeError):
    """A peer could not be installed."""


def kept_in() -> Path:
    """Where they are kept unless something else is said: the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qs-bench"


async def python_with(requirements: Sequence[str], kept: Path) -> Path:
    """The interpreter of an environment below ``kept`` that has these pinned packages and nothing of qs.

    Raises:
        PeerAbsent: pip could not install them.
    """
    wanted = "\n".join((sys.version, *requirements))
    name = requirements[0].partition("==")[0].partition("[")[0]
    home = kept / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    if not (home / _MADE).exists():
        await _do(sys.executable, "-m", "venv", "--clear", str(home))
        await _do(str(python), "-m", "pip", "install", "--quiet", *requirements)
        (home / _MADE).touch()
    return python


async def installed(python: Path) -> list[str]:
    """All that the environment has, pinned."""
    return (await _do(str(python), "-m", "pip", "freeze")).split()


async def _do(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await process.communicate()
    if process.returncode != 0:
        raise PeerAbsent(f"{' '.join(command[1:])}: {complained.decode(errors='replace')[-500:]}")
    return told.decode()
