"""How a record is written down and hashed, which never changes for a version that was given out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest

from qs.domain.kernel.audit_chain import (
    GENESIS,
    AuditRecord,
    Seal,
    UnknownSealVersion,
    canonical,
    document,
    seal_hash,
)

ID = UUID("0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968")
TENANT = UUID("00000000-0000-7000-8000-000000000001")
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
RECORD = AuditRecord(
    ID,
    TENANT,
    AT,
    AT,
    "user:anna",
    "plan.created",
    "plan",
    None,
    "r-1",
    {"b": [1, True, None], "a": '量表 "x"\n\x7f'},
)
SEAL = Seal(1, 1, GENESIS, AT + timedelta(microseconds=250))

WRITTEN = (
    '{"action":"plan.created","actor":"user:anna","at":"2026-03-01T09:00:00.000000Z",'
    '"business_at":"2026-03-01T09:00:00.000000Z","detail":{"a":"量表 \\"x\\"\\n\x7f","b":[1,true,null]},'
    '"id":"0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968","position":1,'
    f'"prev":"{64 * "0"}","request_id":"r-1","sealed_at":"2026-03-01T09:00:00.000250Z",'
    '"subject_id":null,"subject_kind":"plan","tenant_id":"00000000-0000-7000-8000-000000000001","v":1}'
)


def test_version_1_is_written_as_it_was_given_out() -> None:
    assert canonical(document(RECORD, SEAL)).decode() == WRITTEN
    assert seal_hash(RECORD, SEAL) == sha256(WRITTEN.encode()).digest()


@pytest.mark.parametrize(
    "other",
    [
        replace(RECORD, id=TENANT),
        replace(RECORD, tenant_id=ID),
        replace(RECORD, at=AT + timedelta(microseconds=1)),
        replace(RECORD, business_at=AT + timedelta(microseconds=1)),
        replace(RECORD, actor="user:eve"),
        replace(RECORD, action="plan.edited"),
        replace(RECORD, subject_kind="task"),
        replace(RECORD, subject_id=ID),
        replace(RECORD, request_id=None),
        replace(RECORD, detail={}),
    ],
)
def test_everything_a_record_says_is_hashed(other: AuditRecord) -> None:
    assert seal_hash(other, SEAL) != seal_hash(RECORD, SEAL)


@pytest.mark.parametrize(
    "other", [replace(SEAL, position=2), replace(SEAL, prev=bytes(31) + b"\x01"), replace(SEAL, sealed_at=AT)]
)
def test_so_is_its_place_and_what_stands_before_it(other: Seal) -> None:
    assert seal_hash(RECORD, other) != seal_hash(RECORD, SEAL)


def test_the_zone_an_instant_is_read_in_does_not_matter() -> None:
    there = AT.astimezone(timezone(timedelta(hours=8)))

    assert seal_hash(replace(RECORD, at=there, business_at=there), SEAL) == seal_hash(RECORD, SEAL)


def test_a_version_that_is_not_known_is_not_guessed_at() -> None:
    with pytest.raises(UnknownSealVersion):
        seal_hash(RECORD, replace(SEAL, version=2))
