"""Connections to PostgreSQL, each acting as the application role."""

import logging
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import URL, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from qs.infra.postgres.roles import APP

_NOWHERE = logging.NullHandler()


def asyncpg_url(dsn: str) -> URL:
    """The SQLAlchemy URL for a libpq-style DSN, whichever driver name it carries.

    A ``host`` in the query is a socket directory, as libpq has it; it may hold any character.

    Raises:
        ValueError: it is not a PostgreSQL address.
    """
    parts = urlsplit(dsn)
    if parts.scheme.split("+")[0] not in ("postgres", "postgresql"):
        raise ValueError(
            f"{parts.scheme}:… is not a PostgreSQL address; write postgresql://user@host/database"
        )
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host = query.pop("host", None)
    url = make_url(dsn).set(drivername="postgresql+asyncpg", query=query)
    if host is not None:
        url = url.set(host=unquote(host) if "%" in host else host)
    return url


def create_engine(
    dsn: str,
    *,
    role: str | None = APP,
    pool_size: int = 20,
    max_overflow: int = 0,
    pool_recycle: int = 1800,
    log_sql: bool = False,
    pooled: bool = True,
    application_name: str = "qs",
) -> AsyncEngine:
    """An engine whose connections act as ``role`` from their first statement on.

    The role is a start-up parameter, so that no statement can run before it and a reset returns to it.
    """
    settings = {
        "application_name": application_name,
        "timezone": "UTC",
        # A process that is frozen in the middle of a transaction loses it, and with it what others wait for.
        "idle_in_transaction_session_timeout": "60s",
    }
    if role is not None:
        settings["role"] = role
    arguments: dict[str, Any] = {"server_settings": settings, "timeout": 10}
    url = asyncpg_url(dsn)
    if log_sql:
        # Where it finds no handler of its own SQLAlchemy prints on stdout, which is for data.
        logging.getLogger("sqlalchemy.engine.Engine").addHandler(_NOWHERE)
    if url.host is not None and url.host.startswith("/"):
        # SQLAlchemy would percent-encode a socket directory; asyncpg takes it as it is.
        arguments["host"] = url.host
        url = url.set(host=None)
    if not pooled:
        return create_async_engine(
            url, poolclass=NullPool, connect_args=arguments, echo=log_sql, hide_parameters=True
        )
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_recycle=pool_recycle,
        # The connection that was used last has its statements prepared and its pages at hand.
        pool_use_lifo=True,
        connect_args=arguments,
        echo=log_sql,
        # What a row held, a contact perhaps, is nobody's to read in a traceback.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: DBAPIConnection, record: object, proxy: object) -> None:
    """Replaces every pooled connection once the server has closed one.

    The driver has noticed that by then, so nothing is asked over the wire; a ping at each checkout would
    double the cost of the shortest reads.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError("the server closed this connection")
