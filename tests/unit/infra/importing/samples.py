"""What the other systems write, small and whole."""

from qs.infra.scheduler.importing.imported import Imported, Note

SYSTEM_CRONTAB = b"""\
# /etc/crontab: system-wide crontab
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/bin
MAILTO=ops@example.org

# m h dom mon dow user  command
17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
# nightly backup of the uploads
0 2 * * 1-5 root /opt/backup.sh --all 'two words' > /dev/null 2>&1
"""
GOCRON = b"""\
scheduler:
  enabled: true
  jobs:
    - name: hello_job
      type: duration
      schedule: 30s
      enabled: true
    - name: cleanup_job
      type: daily
      schedule: "02:00"
      enabled: false
"""
MYSQL_DUMP = rb"""-- MySQL dump 10.13
DROP TABLE IF EXISTS `sys_crontab`;
CREATE TABLE `sys_crontab` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL COMMENT 'a, b (c',
  `type` varchar(255) NOT NULL,
  `spec` varchar(255) NOT NULL,
  `payload` json DEFAULT NULL,
  `status` tinyint NOT NULL DEFAULT '1',
  `created_at` datetime DEFAULT NULL,
  `updated_at` datetime DEFAULT NULL,
  PRIMARY KEY (`id`), UNIQUE KEY `uk` (`name`,`type`)
) ENGINE=InnoDB;
/*!40000 ALTER TABLE `sys_crontab` DISABLE KEYS */;
INSERT INTO `sys_crontab` VALUES (1,'Daily \'figures\'','task:daily-stats','0 1 * * *','{\"to\": \"it''s\\n\"}',1,NOW(),NULL),
(2,'Report','task:daily-report','CRON_TZ=Asia/Tokyo 0 2 * * *',NULL,2,'2026-01-01',NULL);
/*!40000 ALTER TABLE `sys_crontab` ENABLE KEYS */;
"""
PG_DUMP = rb"""--
-- PostgreSQL database dump
--
SET standard_conforming_strings = on;
COPY public.users (id, name) FROM stdin;
1	x; INSERT INTO sys_crontab VALUES (9)
\.
COPY public.sys_crontab (id, name, type, spec, payload, status) FROM stdin;
1	Figures	task:daily-stats	@every 90s	{"path": "C:\\\\temp"}	1
2	Report	task:daily-report	0 2 * * *	\N	0
\.
"""
ECRON = b"""\
[
  {
    "job_id": "4c5f", "job_name": "My Scheduled Task", "job_cron_time": "0 0 0 * * ?", "job_type": "scheduled",
    "job_context": {
      "mode": "https", "exec": "https://api.example.com/endpoint?token=querysecret&day=1",
      "info": {
        "method": "POST",
        "headers": {"Content-Type": "application/json", "Authorization": "Bearer headersecret", "Host": "x"},
        "body": {"key": "value", "password": "bodysecret"}
      },
      "notify": {"webhook": "https://callback.example.com/webhook"}
    },
    "tenant_id": "tenant-123", "enabled": true, "remarks": "Task description", "created_at": "2026-01-01T00:00:00Z"
  }
]
"""


def told(imported: Imported) -> str:
    """Every note as a person reads it."""
    return "\n".join(map(str, imported.notes))


def needed(imported: Imported) -> list[Note]:
    """What a person has to do."""
    return [note for note in imported.notes if note.needs_person]
