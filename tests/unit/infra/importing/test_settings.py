"""Settings of other systems become a qs.yaml, and what has no counterpart is listed."""

from typing import Any

import pytest

from qs.infra.scheduler.importing.bingo_settings import import_bingo_settings
from qs.infra.scheduler.importing.ecron_settings import import_ecron_settings
from qs.infra.scheduler.importing.gocron_settings import import_gocron_settings
from qs.infra.scheduler.importing.settings_sheet import ImportedSettings

BINGO = """\
server: {name: bingo, mode: debug, addr: ":8080", timezone: UTC, key: xEJwGVQXNuLQf4vzrTsVKx8gzB9GkLgx}
mysql:
  host: mysql:3306
  username: root
  password: dbsecret
  database: bingo
  maxIdleConnections: 100
  maxOpenConnections: 100
  maxConnectionLifeTime: 10s
  logLevel: 4
redis: {host: "redis:6379", password: "re/dis", database: 1}
jwt: {secretKey: dfVpOK8LZeJL, ttl: 1440}
log: {level: warn, days: 7, format: console, console: true, maxSize: 100, compress: true, path: storage/log/scheduler.log}
feature: {queueDash: true, profiling: true, apiDoc: true}
mail: {host: smtp.bingo.com, port: 465, username: bingo, password: mailsecret, fromAddr: noreply@bingo.com, fromName: Bingo}
code: {length: 6}
"""
ECRON = """\
lang: zh_CN #系统语言
job_failures: 5
webhook: /api/cronsvr/v1/namespaces/common/executionresult
analysis_service_id: cf5ea9c0-72e2-4530-a444-cac02fb45999
mq_host: kafka.local
mq_port: 9092
mq_connector_type: kafka
cron_addr: 0.0.0.0
cron_port: 12345
multi_node: false
db_addr: 10.2.145.25
user_pwd: dbsecret
max_open_conns: 30
ssl_on: true
cert_file: /etc/ecron.crt
key_file: /etc/ecron.key
analysis_load_sleep: 10
oauth_public_addr: 127.0.0.1
oauth_admin_addr: 127.0.0.1
oauth_admin_port: 4445
oauth_admin_protocol: http
"""
GOCRON = """\
server: {host: 127.0.0.1, port: 9000, mode: release}
database: {driver: postgres, host: db.local, port: 5432, user: qs, password: "p@ss", dbname: app, max_open_conns: 20}
log: {level: fatal, format: json, max_backups: 3}
scheduler:
  enabled: false
  timezone: Asia/Shanghai
  jobs:
    - {name: hello_job, type: duration, schedule: 30s, enabled: true}
"""


def told(imported: ImportedSettings) -> str:
    return "\n".join(map(str, imported.notes))


def test_settings_of_bingo_are_carried_over() -> None:
    imported = import_bingo_settings(BINGO.encode())

    assert imported.document == {
        "server": {"addr": ":8080"},
        "env": "development",
        "timezone": "UTC",
        "database": {"pool_size": 100, "pool_recycle": 10, "log_sql": True},
        "redis": {"url": "redis://:re%2Fdis@redis:6379/1"},
        "log": {
            "level": "warning",
            "format": "console",
            "console": True,
            "path": "storage/log/scheduler.log",
            "max_size_mb": 100,
            "days": 7,
            "compress": True,
        },
        "smtp": {
            "host": "smtp.bingo.com",
            "port": 465,
            "tls": "tls",
            "username": "bingo",
            "password": "mailsecret",
            "from": "noreply@bingo.com",
        },
        "auth": {"access_ttl_s": 86400},
        "feature": {"queue_dashboard": True},
    }


@pytest.mark.parametrize(
    "note",
    [
        "line 3: mysql.host: 'mysql:3306': it holds the other system's tables",
        "mysql.maxIdleConnections: 100: the pool keeps its connections open",
        "line 12: jwt.secretKey: ********: qs signs with keys of its own",
        "line 1: server.key: ********: qs signs with keys of its own",
        "line 14: feature.profiling: true: there is no profiler in the server",
        "line 16: code.length: 6: testees come by links",
        "line 15: mail.fromName: 'Bingo': mail comes from the address alone",
    ],
)
def test_what_bingo_has_and_qs_has_not_is_listed(note: str) -> None:
    assert note in told(import_bingo_settings(BINGO.encode()))


def test_the_newer_layout_of_bingo_is_known() -> None:
    imported = import_bingo_settings(
        b"app: {name: b, timezone: Asia/Shanghai}\n"
        b"http: {enabled: true, addr: 127.0.0.1:8080, ginMode: release, mode: standalone}\n"
        b"grpc: {enabled: true, addr: ':9090'}\nwebsocket: {enabled: false, addr: ':8081'}\nauth: {defaulttype: email}\n"
    )

    assert imported.document == {
        "server": {"addr": "127.0.0.1:8080", "grpc_port": 9090},
        "env": "production",
        "timezone": "Asia/Shanghai",
    }
    assert [str(note) for note in imported.notes if note.needs_person] == [
        "line 3: grpc.enabled: true: gRPC serves the duties of qs and nothing else, in its own messages; "
        "pip install 'qs[grpc]' and call qs.plan.v1.PlanDuties; see docs/operations/grpc.md"
    ]


@pytest.mark.parametrize(
    ("grpc", "server"),
    [
        (b"{enabled: false, addr: ':9090'}", {}),
        (b"{addr: ':9090'}", {}),
        (b"{enabled: true, addr: '0.0.0.0:9090'}", {"server": {"grpc_port": 9090}}),
        (b"{enabled: true, addr: ':99999'}", {}),
        (b"{enabled: true, addr: 'x'}", {}),
    ],
)
def test_a_grpc_server_of_bingo_becomes_a_port_if_it_is_on(grpc: bytes, server: dict[str, Any]) -> None:
    assert import_bingo_settings(b"app: {name: b}\ngrpc: " + grpc + b"\n").document == server


def test_settings_of_ecron_are_carried_over() -> None:
    imported = import_ecron_settings(ECRON.encode(), {})

    assert imported.document == {
        "lang": "zh_CN",
        "server": {
            "addr": "0.0.0.0:12345",
            "tls": {"cert_file": "/etc/ecron.crt", "key_file": "/etc/ecron.key"},
        },
        "scheduler": {
            "defaults": {"max_attempts": 5},
            "results_path": "/api/cronsvr/v1/namespaces/common/executionresult",
        },
        "database": {"pool_size": 30},
        "mq": {"type": "kafka", "host": "kafka.local", "port": 9092},
        "auth": {
            "mode": "introspection",
            "introspection_url": "http://127.0.0.1:4445/admin/oauth2/introspect",
        },
    }
    assert "line 3: webhook: '/api/cronsvr" in told(imported)
    assert "user_pwd: ********: it belongs to ECron's own database" in told(imported)
    assert "nodes have no ids to configure" in told(imported)
    assert "dbsecret" not in told(imported)


def test_the_environment_of_ecron_stands_over_its_file() -> None:
    environ = {"ECRON_CRON_PORT": "9000", "ECRON_MQ_HOST": "other", "ECRON_DB_ADDR": "db"}

    imported = import_ecron_settings(ECRON.encode(), environ)

    assert imported.document["server"]["addr"] == "0.0.0.0:9000"
    assert imported.document["mq"]["host"] == "other"
    assert "ECRON_DB_ADDR: 'db': it holds ECron's tables in MySQL" in told(imported)


def test_a_file_of_variables_is_read_as_well() -> None:
    imported = import_ecron_settings(b"# env\nexport ECRON_CRON_PORT=9000\nECRON_MQ_HOST='nsq'\n", {})

    assert imported.document == {"server": {"addr": ":9000"}}
    assert "line 3: ECRON_MQ_HOST: 'nsq': there is no connector for nsq" in told(imported)


@pytest.mark.parametrize("broker", ["tonglink", "bes", "htp20"])
def test_brokers_of_vendors_have_no_connector(broker: str) -> None:
    imported = import_ecron_settings(f"mq_connector_type: {broker}\nmq_host: x\n".encode(), {})

    assert f"there is no connector for {broker}" in told(imported)
    assert not imported.complete
    assert imported.document == {}


def test_settings_of_gocron_bring_their_jobs_along() -> None:
    imported = import_gocron_settings(GOCRON.encode())

    assert imported.document == {
        "server": {"addr": "127.0.0.1:9000"},
        "env": "production",
        "database": {"pool_size": 20, "url": "postgresql://qs:p%40ss@db.local:5432/app"},
        "log": {"level": "critical", "format": "json"},
        "scheduler": {
            "enabled": False,
            "timezone": "Asia/Shanghai",
            "jobs": [{"name": "hello_job", "type": "duration", "schedule": "30s", "enabled": True}],
        },
    }
    assert imported.complete


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("log: {level: loud}", "line 1: log.level: 'loud': expected one of trace, debug,"),
        ("log: {days: 9999}", "log.days: 9999: expected a whole number from 1 to 366; set log.days by hand"),
        ("log: {console: perhaps}", "expected true or false"),
        ("server: {addr: nowhere}", "server.addr: 'nowhere': expected host:port such as 127.0.0.1:8080"),
        ("server: {timezone: Mars}", "expected an IANA time zone such as Asia/Shanghai"),
        ("server: {mode: fast}", "expected release, debug or test"),
        ("mysql: {maxConnectionLifeTime: long}", "expected a duration such as 30s or 1h30m"),
        ("jwt: {ttl: 0}", "expected a duration from 60s to 86400s"),
        ("mail: {username: bob, password: ''}", "there is no password beside it"),
        ("weird: {deep: [1, 2]}", "line 1: weird.deep: [1, 2]: has no counterpart in qs"),
    ],
)
def test_a_value_that_cannot_be_is_listed_with_what_is_expected(text: str, note: str) -> None:
    imported = import_bingo_settings(text.encode())

    assert note in told(imported)
    assert not imported.complete


def test_toml_is_read_as_well() -> None:
    imported = import_bingo_settings(
        b'[log]\nlevel = "info"\nmaxSize = 10\n[redis]\naddr = "redis://x:6379/2"\n'
    )

    assert imported.document == {
        "redis": {"url": "redis://x:6379/2"},
        "log": {"level": "info", "max_size_mb": 10},
    }


@pytest.mark.parametrize("importer", [import_bingo_settings, import_gocron_settings, import_ecron_settings])
def test_an_empty_value_is_no_value(importer: Any) -> None:
    imported = importer(b"a: ''\nb:\nc: {}\nlang:\n")

    assert (imported.document, imported.notes) == ({}, ())
