"""Sections that the settings of many Go services have in common, in ours."""

from qs.infra.scheduler.importing import settings_values as values
from qs.infra.scheduler.importing.settings_sheet import Sheet

_OWN_DATABASE = (
    "it holds the other system's tables, and qs keeps its own in PostgreSQL, which this is not",
    "create a PostgreSQL database for qs and set database.url; without it an embedded one is used",
)


def server(sheet: Sheet, *sections: str) -> None:
    """Where it listens, in which mode, in which zone."""
    if not sheet.to("server.addr", *(f"{s}.addr" for s in sections), "addr", read=values.address):
        host, port = (sheet.take(*(f"{s}.{word}" for s in sections), word) for word in ("host", "port"))
        if host or port:
            sheet.set("server.addr", f"{host.value if host else ''}:{port.value if port else 8080}")
    modes = [f"{s}.ginMode" for s in sections] + [
        "server.mode",
        "app.mode",
        "app.env",
        "runmode",
        "mode",
        "env",
    ]
    sheet.to("env", *modes, read=values.environment)
    sheet.to("timezone", *(f"{s}.timezone" for s in sections), "timezone", read=values.zone)
    for word, ours in (("certFile", "cert_file"), ("keyFile", "key_file")):
        names = [f"{s}.tls.{word}" for s in sections]
        sheet.to(f"server.tls.{ours}", *names, f"tls.{word}", word)
    sheet.nothing("a service here needs no name", *(f"{s}.name" for s in sections))


def database(sheet: Sheet, *sections: str) -> None:
    """The connection if it is PostgreSQL, and the size of the pool in any case."""
    for section in sections:
        if not sheet.has(section):
            continue
        sheet.to(
            "database.pool_size",
            *_under(section, "maxOpenConnections", "maxOpenConns", "poolSize"),
            read=values.whole(1, 500),
        )
        lifetimes = _under(section, "maxConnectionLifeTime", "connMaxLifetime", "maxLifetime", "poolRecycle")
        sheet.to("database.pool_recycle", *lifetimes, read=values.seconds(1, 86400))
        if log_level := sheet.take(*_under(section, "logLevel", "logSql", "showSql")):
            sheet.set("database.log_sql", str(log_level.value).lower() in ("4", "info", "true"))
        sheet.nothing(
            "the pool keeps its connections open", *_under(section, "maxIdleConnections", "maxIdleConns")
        )
        _connection(sheet, section)


def _connection(sheet: Sheet, section: str) -> None:
    driver = sheet.take(*_under(section, "driver", "type", "dialect"))
    dsn = sheet.take(*_under(section, "url", "dsn", "source"))
    kind = str(driver.value if driver else dsn.value if dsn else section).lower()
    host, port = sheet.take(*_under(section, "host", "addr")), sheet.take(f"{section}.port")
    user, password = (
        sheet.take(*_under(section, "username", "user")),
        sheet.take(*_under(section, "password", "passwd")),
    )
    name = sheet.take(*_under(section, "database", "dbname", "name"))
    if not kind.startswith(("postgres", "pg")):
        for given in filter(None, (driver, dsn, host)):
            sheet.note(given, *_OWN_DATABASE)
            break
        return
    if dsn and "://" in str(dsn.value):
        sheet.set("database.url", str(dsn.value))
    elif host:
        place = f"{host.value}:{port.value}" if port else str(host.value)
        login = {"user": str(user.value) if user else "", "password": str(password.value) if password else ""}
        sheet.set(
            "database.url", values.url("postgresql", place, **login, path=str(name.value) if name else "qs")
        )
    elif dsn:
        sheet.note(dsn, "is no address", "set database.url to one such as postgresql://user@host/database")


def redis(sheet: Sheet, section: str = "redis") -> None:
    """The address of Redis."""
    host, port = sheet.take(*_under(section, "host", "addr", "url")), sheet.take(f"{section}.port")
    user, password = (
        sheet.take(*_under(section, "username", "user")),
        sheet.take(*_under(section, "password", "passwd")),
    )
    number = sheet.take(*_under(section, "database", "db"))
    if host is None:
        return
    if "://" in str(host.value):
        sheet.set("redis.url", str(host.value))
        return
    place = f"{host.value}:{port.value}" if port else str(host.value)
    login = {"user": str(user.value) if user else "", "password": str(password.value) if password else ""}
    sheet.set("redis.url", values.url("redis", place, **login, path=str(number.value) if number else "0"))


def log(sheet: Sheet, *sections: str) -> None:
    """What is logged, where, and how long it is kept."""
    for section in sections or ("log",):
        sheet.to("log.level", f"{section}.level", read=values.level)
        sheet.to("log.format", *_under(section, "format", "encoding"), read=values.log_format)
        sheet.to("log.console", *_under(section, "console", "stdout"), read=values.flag)
        sheet.to("log.path", *_under(section, "path", "filename", "file"))
        sheet.to("log.max_size_mb", f"{section}.maxSize", f"{section}.maxSizeMb", read=values.whole(1, 10240))
        sheet.to("log.days", *_under(section, "days", "maxAge"), read=values.whole(1, 366))
        sheet.to("log.compress", f"{section}.compress", read=values.flag)
        sheet.nothing("files are kept by age", f"{section}.maxBackups")


def mail(sheet: Sheet, section: str = "mail") -> None:
    """The mail server; without a password it is used without a login."""
    sheet.to("smtp.host", f"{section}.host")
    port = sheet.to("smtp.port", f"{section}.port", read=values.whole(1, 65535))
    if port is not None:
        sheet.set("smtp.tls", {465: "tls", 25: "none"}.get(port, "starttls"))
    user, password = sheet.take(*_under(section, "username", "user")), sheet.take(f"{section}.password")
    if user and password:
        sheet.set("smtp.username", str(user.value))
        sheet.set("smtp.password", str(password.value))
    elif user:
        sheet.note(
            user,
            "there is no password beside it, so mail is sent without a login",
            "set smtp.username and smtp.password",
        )
    sheet.to("smtp.from", *_under(section, "fromAddr", "from"))
    sheet.nothing("mail comes from the address alone", f"{section}.fromName")


def _under(section: str, *words: str) -> list[str]:
    return [f"{section}.{word}" for word in words]
