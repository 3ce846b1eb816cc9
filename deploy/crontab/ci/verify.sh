#!/usr/bin/env bash
# Says whether a host has this package of the kit and whether it works there: files and modes, a cron daemon, a login, one duty.
#
#   verify.sh ARCHIVE.tar.gz
#
# The duty that is called, the daily figures, is safe at any time. The environment is that of deploy.sh; of it the settings
# on the host are not touched. Exit codes: 0 it works · 1 it does not, and why · 2 something is missing
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
# shellcheck source=deploy/crontab/ci/ssh.sh
. "$here/ssh.sh"

archive=${1:-}
if [ $# != 1 ] || [ ! -f "$archive" ]; then
    echo "usage: verify.sh ARCHIVE.tar.gz (the one that was deployed)" >&2
    exit 2
fi
connect
mkdir "$scratch/sent"
cp -- "$archive" "$scratch/sent/kit.tar.gz"
on_host verify
