#!/usr/bin/env bash
# Takes away what install.sh put there; run again, it finds nothing to do. Whatever fails, everything is as it was before.
#
#   uninstall.sh [--dry-run] [--purge]
#
# Settings, token and logs stay, unless --purge takes them too. DESTDIR is put before every path.
#
# Exit codes: 0 done · 1 failed and taken back · 2 misuse
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=${DESTDIR:-}
root=${root%/}
dry_run=
purge=
while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry_run=yes ;;
        --purge) purge=yes ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *)
            echo "usage: uninstall.sh [--dry-run] [--purge]" >&2
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

begin_changes
# First, so that cron never fires a line whose script is gone.
drop_file /etc/cron.d/qs-scheduler
drop_file /etc/logrotate.d/qs-scheduler
drop_file /usr/local/bin/qs-api-call.sh
drop_file /usr/local/bin/qs-refresh-token.sh
drop_file /usr/local/lib/qs-scheduler/qs-scheduler-lib.sh
if [ -n "$purge" ]; then
    for name in scheduler.env internal-token internal-token.lock; do
        drop_file "/etc/qs-server/$name"
    done
    for file in "$root"/var/log/qs-scheduler/*.log*; do
        [ ! -e "$file" ] || drop_file "${file#"$root"}"
    done
fi
# Empty directories at the very end: nothing that could fail comes after them.
drop_directory /usr/local/lib/qs-scheduler
if [ -n "$purge" ]; then
    drop_directory /etc/qs-server
    drop_directory /var/log/qs-scheduler
fi
