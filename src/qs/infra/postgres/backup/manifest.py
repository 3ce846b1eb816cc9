"""What a backup says of itself, so that reading it back can be checked."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

MANIFEST = "manifest.json"
DUMP = "database"
_FORMAT = 1
_CHUNK = 1 << 20


class BackupUnusable(Exception):
    """The folder is no backup, or not as it was written; the message says what to do."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``rows`` counts each table's rows by tenant, those of no tenant under ``""``, all in the snapshot of the dump.

    ``files`` holds the SHA-256 of each file by its path, ``keys`` the ids of the secret keys of that time.
    """

    format: int = _FORMAT
    release: str
    revision: str
    taken_at: datetime
    server: str
    keys: Sequence[str]
    rows: Mapping[str, Mapping[str, int]]
    files: Mapping[str, str]

    @property
    def total(self) -> int:
        return sum(sum(by_tenant.values()) for by_tenant in self.rows.values())

    @property
    def tenants(self) -> int:
        return len({tenant for by_tenant in self.rows.values() for tenant in by_tenant} - {""})


def write_manifest(manifest: Manifest, directory: Path) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    path = directory / MANIFEST
    path.write_bytes(text + b"\n")
    path.chmod(0o600)


def read_manifest(directory: Path) -> Manifest:
    """What the backup says of itself, once its files are what they were when it was written.

    Raises:
        BackupUnusable: it is none, of another format, or a file is missing, added or changed.
    """
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise BackupUnusable(
            f"{directory} holds no {MANIFEST}, so it is no backup of qs or one that was broken off; name the folder "
            "that `qs backup` wrote"
        ) from error
    except msgspec.DecodeError as error:
        raise BackupUnusable(
            f"{path} cannot be read ({error}); it was changed, or written by a later release of qs"
        ) from error
    if manifest.format != _FORMAT:
        raise BackupUnusable(
            f"the backup is of format {manifest.format}; install the release of qs that wrote it ({manifest.release})"
        )
    found = digests(directory)
    wrong = sorted(name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name))
    if wrong:
        raise BackupUnusable(
            f"{directory} is not as it was written: {', '.join(wrong[:5])} differ from the manifest; copy the backup "
            "again, or use another one"
        )
    return manifest


def digests(directory: Path) -> dict[str, str]:
    """The SHA-256 of each file of the dump, by its path within the backup."""
    return {str(file.relative_to(directory)): _digest(file) for file in _files(directory / DUMP)}


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
