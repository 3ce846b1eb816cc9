"""The empty directory a command runs in, and its removal, whatever the command left there."""

import contextlib
import os
import stat


class Workplace:
    """A fresh directory that nobody else may enter."""

    def __init__(self, root: str) -> None:
        self.path = os.path.join(root, f"qs-command-{os.urandom(12).hex()}")
        os.mkdir(self.path, 0o700)

    def remove(self) -> None:
        """Takes the directory away with all that is in it; what cannot be removed, such as a mount, stays."""
        with contextlib.suppress(OSError):
            root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _empty(root)
            finally:
                os.close(root)
            os.rmdir(self.path)


def _empty(root: int) -> None:
    """Every directory found is moved up to the top before it is opened, so that no depth and no link leads anywhere."""
    os.fchmod(root, 0o700)
    moved = 0
    waiting = _sweep(root, root, moved)
    moved += len(waiting)
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
            try:
                found = _sweep(inner, root, moved)
            finally:
                os.close(inner)
            moved += len(found)
            waiting += found
            os.rmdir(name, dir_fd=root)


def _sweep(directory: int, root: int, moved: int) -> list[str]:
    """Removes the files of a directory and moves its directories to the top under new names, which are returned."""
    found: list[str] = []
    for name in os.listdir(directory):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=directory)
                new = f".qs-{moved + len(found)}-{os.urandom(4).hex()}"
                os.rename(name, new, src_dir_fd=directory, dst_dir_fd=root)
                found.append(new)
            else:
                os.unlink(name, dir_fd=directory)
    return found
