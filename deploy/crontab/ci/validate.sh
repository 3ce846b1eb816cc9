#!/usr/bin/env bash
# Says whether the kit may be deployed: scripts parse, crontab lines mean what they should, installing and uninstalling works.
#
#   validate.sh [CRONTAB_FILE]
#
# Where shellcheck is installed, it is asked as well. Nothing outside a temporary directory is touched.
#
# Exit codes: 0 good · 1 something is not, and is named
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
kit=$(dirname -- "$here")
bad=0

complain() {
    printf 'not good: %s\n' "$1" >&2
    bad=1
}

check_scripts() {
    local script
    for script in "$kit"/*.sh "$here"/*.sh; do
        bash -n "$script" || complain "${script##*/} is no bash"
    done
    if command -v shellcheck >/dev/null; then
        # Its own options name paths from the root of the project.
        (cd "$kit/../.." && shellcheck --external-sources deploy/crontab/*.sh deploy/crontab/ci/*.sh) || complain "shellcheck"
    else
        echo "shellcheck is not installed; left out"
    fi
}

# check_cron FILE: every line is a comment, an assignment or a call of the kit, at a time and with a log of its own.
check_cron() {
    local line number=0 times path log calls=' ' logs=' '
    local one='(\*(/[0-9]{1,2})?|[0-9]{1,2}(-[0-9]{1,2})?(,[0-9]{1,2}(-[0-9]{1,2})?)*)'
    [ -z "$(tail -c 1 "$1")" ] || complain "the crontab file does not end with a newline, so that cron would pass over its last line"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        case $line in '' | '#'*) continue ;; esac
        [[ $line =~ ^(SHELL|PATH|MAILTO|CRON_TZ)=[^\'\"%]*$ ]] && continue
        times=${line%% root /usr/local/bin/qs-api-call.sh *}
        path=${line#*" root /usr/local/bin/qs-api-call.sh "}
        path=${path#--before now }
        log=${path#* } path=${path%% *}
        if ! [[ $times =~ ^$one\ $one\ $one\ $one\ $one$ && $path =~ ^/api/v1(/[a-z0-9_-]+)+$ &&
            $log =~ ^/var/log/qs-scheduler/[a-z0-9-]+\.log$ ]]; then
            complain "line $number of the crontab file is no call of the kit: minute hour day month weekday root program path log"
            continue
        fi
        [[ $calls != *" $path "* ]] || complain "line $number of the crontab file calls $path a second time"
        [[ $logs != *" $log "* ]] || complain "line $number of the crontab file writes to $log like another"
        calls+="$path " logs+="$log "
    done <"$1"
    [ "$calls" != ' ' ] || complain "the crontab file calls nothing"
}

check_sample() {
    ! grep -Eq "^(#[ ]*)?(IAM_USERNAME|IAM_PASSWORD|CLIENT_ID|CLIENT_SECRET)='[^']" "$1" ||
        complain "the sample of settings holds credentials"
}

# check_installer: twice, and away again, below a directory that is thrown away.
check_installer() {
    local root step
    root=$(mktemp -d)
    for step in "install.sh --dry-run" install.sh install.sh "uninstall.sh --purge" uninstall.sh; do
        # shellcheck disable=SC2086
        DESTDIR=$root bash "$kit/"$step >"$root.log" 2>&1 || {
            cat "$root.log" >&2
            complain "$step"
        }
    done
    [ -z "$(find "$root" -type f)" ] || complain "uninstall.sh --purge leaves files behind"
    rm -rf -- "$root" "$root.log"
}

check_scripts
check_cron "${1:-$kit/qs-scheduler.cron}"
check_sample "$kit/scheduler.env.example"
check_installer
[ "$bad" = 0 ] || exit 1
echo "the kit is good"
