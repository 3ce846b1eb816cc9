#!/usr/bin/env bash
# Installs a package of the kit on a host over SSH and sets what is known of its settings. Run again, it changes what differs.
#
#   deploy.sh [--dry-run] ARCHIVE.tar.gz
#
# --dry-run goes to the host and says what would be done there. From the environment:
#   SVRA_HOST, SVRA_USERNAME, SVRA_SSH_KEY   where to go, as whom, and the private key itself, without a passphrase
#   SVRA_PORT       22
#   SVRA_HOST_KEY   none   the host's public key ("ssh-ed25519 AAAA…", or lines of ssh-keyscan); without it any is believed
#   IAM_USERNAME, IAM_PASSWORD or CLIENT_ID, CLIENT_SECRET   who calls the duties
#   IAM_LOGIN_URL, TOKEN_URL, API_BASE_URL   written into the settings when they are given
#   SVRA_DESTDIR    none   stands before every path on the host, to try it without being root
#
# Nothing of it appears in an argument list or in what is printed. Exit codes: 0 done · 1 failed · 2 something is missing
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
# shellcheck source=deploy/crontab/ci/ssh.sh
. "$here/ssh.sh"

if [ "${1:-}" = --dry-run ]; then
    dry_run=yes
    shift
fi
archive=${1:-}
if [ $# != 1 ] || [ ! -f "$archive" ]; then
    echo "usage: deploy.sh [--dry-run] ARCHIVE.tar.gz (package.sh makes one)" >&2
    exit 2
fi

# Checked before anything is sent.
if [ -z "${CLIENT_ID:-}${CLIENT_SECRET:-}" ]; then need IAM_USERNAME IAM_PASSWORD; else need CLIENT_ID CLIENT_SECRET; fi
connect
mkdir "$scratch/sent"
for name in API_BASE_URL IAM_LOGIN_URL IAM_USERNAME IAM_PASSWORD TOKEN_URL CLIENT_ID CLIENT_SECRET; do
    value=${!name:-}
    [ -n "$value" ] || continue
    if [[ $value == *[$'\n\r']* ]]; then
        echo "$name has more than one line, which no setting can hold; store it again without the line break" >&2
        exit 2
    fi
    printf "%s='%s'\n" "$name" "${value//\'/\'\\\'\'}"
done >"$scratch/sent/given.env"
cp -- "$archive" "$scratch/sent/kit.tar.gz"
on_host deploy
