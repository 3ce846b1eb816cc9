"""Looking for secrets where none may be: in every form in which a program is likely to write one down."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

_SHORTEST = 6
_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
_ESCAPED = re.compile(r"%[0-9A-F]{2}")
_HEX = re.compile(rb"\\\\x([0-9a-f]+)")


def forms_of(secret: str) -> frozenset[bytes]:
    """The secret raw, URL-encoded, in JSON, in base64 at every place within something longer, and in hexadecimal."""
    texts = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        secret.encode().hex(),
        secret.encode().hex().upper(),
        *_in_base64(secret.encode()),
    }
    # Some write %2f for %2F.
    texts |= {_ESCAPED.sub(lambda escaped: escaped[0].lower(), text) for text in texts}
    found = {text.encode() for text in texts if len(text) >= _SHORTEST}
    try:
        number = UUID(secret)
    except ValueError:
        return frozenset(found)
    return frozenset(found | {number.hex.encode(), number.bytes})


def _in_base64(data: bytes) -> Iterator[str]:
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode()
        # Characters that hold bits of a neighbour differ from place to place.
        certain = whole[(0, 2, 3)[before] : len(whole) - (0, 3, 2)[(before + len(data)) % 3]]
        yield certain
        yield certain.translate(str.maketrans("+/", "-_"))


def found_in(places: Mapping[str, bytes], secrets: Mapping[str, str]) -> list[str]:
    """``PLACE holds SECRET`` by their names, for every secret and place that go together; never the secret itself."""
    forms = {name: forms_of(secret) for name, secret in secrets.items()}
    return [
        f"{place} holds {name}"
        for place, content in places.items()
        for name, looks in forms.items()
        if any(form in content for form in looks)
    ]


async def database_dump(address: str) -> dict[str, bytes]:
    """By ``table NAME`` all rows as COPY writes them, and after them every bytea in them as the bytes that it is."""
    connection = await asyncpg.connect(address)
    try:
        return {
            f"table {row['relname']}": await _rows(connection, row["relname"])
            for row in await connection.fetch(_TABLES)
        }
    finally:
        await connection.close()


async def _rows(connection: asyncpg.Connection, table: str) -> bytes:
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(bytes(data))

    await connection.copy_from_query(f'SELECT * FROM "{table}"', output=take)
    copied = b"".join(parts)
    return b"\n".join([copied, *(bytes.fromhex(found.decode()) for found in _HEX.findall(copied))])


async def redis_dump(url: str) -> dict[str, bytes]:
    """Every key with its content as clients read it, and the file that the server saves, uncompressed."""
    client = Redis.from_url(url)
    try:
        read = [line async for key in client.scan_iter() for line in await _content(client, key)]
        before = (await client.config_get("rdbcompression"))["rdbcompression"]
        await client.config_set("rdbcompression", "no")
        try:
            await client.save()
        finally:
            await client.config_set("rdbcompression", before)
        where = await client.config_get("dir", "dbfilename")
        file = Path(where["dir"]) / where["dbfilename"]
        saved = file.read_bytes()
        file.unlink()
        return {"redis": b"\n".join(read), "redis, saved": saved}
    finally:
        await client.aclose()


async def _content(client: Any, key: bytes) -> list[bytes]:
    kind = await client.type(key)
    if kind == b"string":
        content = await client.get(key)
    elif kind == b"hash":
        content = await client.hgetall(key)
    elif kind == b"list":
        content = await client.lrange(key, 0, -1)
    elif kind == b"set":
        content = await client.smembers(key)
    elif kind == b"zset":
        content = await client.zrange(key, 0, -1, withscores=True)
    elif kind == b"stream":
        content = await client.xrange(key)
    else:
        raise AssertionError(f"a key of the type {kind!r} cannot be looked into")
    return [key, *_flat(content)]


def _flat(content: object) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(key)
            yield from _flat(value)
    elif isinstance(content, Iterable) and not isinstance(content, str):
        for each in content:
            yield from _flat(each)
