"""One rotation of the keys in a process of its own, and what somebody could have forgotten in it."""

from msgspec.structs import replace

from qs.container import build_container, close
from qs.infra.postgres import ciphertexts
from qs.making_keys import make_key_rotation
from qs.settings import Settings
from tests.proof.patching import without

ROLE = "rotation:"
"""Begins the names of the roles that rotate to the key named behind it."""
NO_LOCK = "rotation-without-lock"

RING = {"a": "a:0123456789abcdef0123456789abcdef", "b": "b:fedcba9876543210fedcba9876543210"}
# Small, so that there are many transactions to be killed in and between.
_BATCH = 20


def with_current(settings: Settings, key_id: str) -> Settings:
    """The settings of a process that has all keys, and encrypts with this one."""
    others = [key for name, key in RING.items() if name != key_id]
    return replace(settings, secret_key=",".join([RING[key_id], *others]))


async def rotate(settings: Settings, role: str) -> bool:
    """Always true: what is left is looked at by whoever asked for it."""
    container = build_container(with_current(settings, role.removeprefix(ROLE)))
    try:
        rotation = make_key_rotation(
            container.engine(), container.keyring(), container.account_directory(), batch=_BATCH
        )
        await rotation.rotate(actor="tests:proof", progress=lambda name, count: None)
    finally:
        await close(container)
    return True


def no_lock() -> None:
    """The rotation writes back what it read, whoever wrote the row in between."""
    without(ciphertexts, "_LOCK", " FOR NO KEY UPDATE")
