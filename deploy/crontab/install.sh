#!/usr/bin/env bash
# Installs the crontab kit of qs; run again, it changes only what differs. Whatever fails, everything is as it was before.
#
#   install.sh [--dry-run] [--no-cron]
#
# --dry-run says what would be done. --no-cron leaves /etc/cron.d alone, for those who use the systemd timers.
# DESTDIR is put before every path. Settings and token that are there already are never touched.
#
# Exit codes: 0 done · 1 failed and taken back · 2 misuse
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=${DESTDIR:-}
root=${root%/}
dry_run=
cron=yes
while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry_run=yes ;;
        --no-cron) cron= ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *)
            echo "usage: install.sh [--dry-run] [--no-cron]" >&2
            exit 2
            ;;
    esac
    shift
done
# shellcheck source=deploy/crontab/changes.sh
. "$here/changes.sh"

if [ -z "$root$dry_run" ] && [ "$(id -u)" != 0 ]; then
    echo "only root may write to /etc and /usr/local; run it as root, or with --dry-run" >&2
    exit 1
fi
if [ -z "$root" ]; then
    for program in curl flock base64 timeout; do
        command -v "$program" >/dev/null || {
            echo "$program is missing, so that no duty could be called; on Debian: apt-get install curl util-linux coreutils" >&2
            exit 1
        }
    done
    [ -z "$cron" ] || [ -d /etc/cron.d ] ||
        echo "note: there is no /etc/cron.d; without a cron daemon nothing fires (apt-get install cron)" >&2
fi
for script in qs-api-call.sh qs-refresh-token.sh qs-scheduler-lib.sh; do
    bash -n "$here/$script" || {
        echo "$script is damaged; nothing was changed" >&2
        exit 1
    }
done

umask 022
begin_changes
put_directory 0755 /usr/local/lib/qs-scheduler
put_file 0644 "$here/qs-scheduler-lib.sh" /usr/local/lib/qs-scheduler/qs-scheduler-lib.sh
put_file 0755 "$here/qs-refresh-token.sh" /usr/local/bin/qs-refresh-token.sh
put_file 0755 "$here/qs-api-call.sh" /usr/local/bin/qs-api-call.sh
put_directory 0700 /etc/qs-server
if [ -e "$root/etc/qs-server/scheduler.env" ]; then
    say kept "$root/etc/qs-server/scheduler.env"
else
    put_file 0600 "$here/scheduler.env.example" /etc/qs-server/scheduler.env
fi
put_directory 0750 /var/log/qs-scheduler
put_file 0644 "$here/qs-scheduler.logrotate" /etc/logrotate.d/qs-scheduler
# Last, so that cron never fires a line whose script is not there.
[ -z "$cron" ] || put_file 0644 "$here/qs-scheduler.cron" /etc/cron.d/qs-scheduler
[ -n "$dry_run" ] || "$root/usr/local/bin/qs-api-call.sh" --help >/dev/null
