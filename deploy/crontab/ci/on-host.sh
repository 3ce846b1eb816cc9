#!/usr/bin/env bash
# The part of deploy.sh and verify.sh that runs on the host, beside what was sent: kit.tar.gz, options, and given.env when
# deploying. Prints names of settings, never what they are.
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
verb='' dry_run='' root=''
while IFS= read -r line; do
    case $line in
        verb=*) verb=${line#*=} ;;
        dry_run=*) dry_run=${line#*=} ;;
        root=*) root=${line#*=} root=${root%/} ;;
    esac
done <"$here/options"

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "SVRA_USERNAME is not root and may not use sudo without a password, so that nothing can be installed here" >&2
        exit 1
    fi
    exec sudo -n bash "$here/on-host.sh"
fi
umask 077
# Of our own, because whoever sent it could not remove what root has put beside it.
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
export DESTDIR=$root
settings=$root/etc/qs-server/scheduler.env

(cd "$here" && sha256sum --check --quiet kit.tar.gz.sha256) || {
    echo "the package has not come as it was sent; nothing was changed" >&2
    exit 1
}
mkdir "$work/kit"
tar --extract --gzip --file "$here/kit.tar.gz" --directory "$work/kit" --no-same-owner

# merge FROM: the settings of that file with the given ones in place of their own.
merge() {
    local line name replaced=' '
    while IFS= read -r line; do replaced+="${line%%=*} "; done <"$here/given.env"
    # A client is asked before a user, so that one left from before would keep the given user from ever being asked.
    [[ $replaced == *" CLIENT_ID "* ]] || replaced+='CLIENT_ID CLIENT_SECRET '
    while IFS= read -r line || [ -n "$line" ]; do
        name=${line#"${line%%[![:space:]]*}"}
        name=${name#export }
        [[ $replaced == *" ${name%%=*} "* ]] || printf '%s\n' "$line"
    done <"$1"
    cat -- "$here/given.env"
}

deploy() {
    local before=$settings names
    [ -e "$settings" ] || before=$work/kit/scheduler.env.example
    merge "$before" >"$work/scheduler.env"
    names=$(sed 's/=.*//' "$here/given.env" | tr '\n' ' ')
    if [ -n "$dry_run" ]; then
        bash "$work/kit/install.sh" --dry-run
        echo "would set  $names"
        echo "dry run: nothing was changed"
        return
    fi
    bash "$work/kit/install.sh"
    if cmp -s -- "$work/scheduler.env" "$settings" && [ "$(stat -c %a "$settings")" = 600 ]; then
        echo "unchanged  $names"
        return
    fi
    # In its place at once and as a whole: a duty may be reading it.
    install -m 600 -- "$work/scheduler.env" "$settings.new"
    mv -fT -- "$settings.new" "$settings"
    echo "set        $names"
}

bad=0
# check TEXT COMMAND…
check() {
    local text=$1
    shift
    if "$@" >/dev/null 2>&1; then
        printf 'ok         %s\n' "$text"
    else
        printf 'NOT OK     %s\n' "$text"
        bad=1
    fi
}

# same MODE SOURCE PATH
same() {
    cmp -s -- "$work/kit/$2" "$root$3" && [ "$(stat -c '%a %u' "$root$3")" = "$1 $(id -u)" ]
}

cron_runs() {
    pgrep -x 'cron|crond' || systemctl is-active --quiet cron || systemctl is-active --quiet crond
}

verify() {
    local duty=/api/v1/statistics/sync/daily code=0
    check "/usr/local/bin/qs-api-call.sh" same 755 qs-api-call.sh /usr/local/bin/qs-api-call.sh
    check "/usr/local/bin/qs-refresh-token.sh" same 755 qs-refresh-token.sh /usr/local/bin/qs-refresh-token.sh
    check "/usr/local/lib/qs-scheduler/qs-scheduler-lib.sh" \
        same 644 qs-scheduler-lib.sh /usr/local/lib/qs-scheduler/qs-scheduler-lib.sh
    check "/etc/cron.d/qs-scheduler" same 644 qs-scheduler.cron /etc/cron.d/qs-scheduler
    check "/etc/logrotate.d/qs-scheduler" same 644 qs-scheduler.logrotate /etc/logrotate.d/qs-scheduler
    check "the settings are there, mode 0600" [ "$(stat -c %a "$settings" 2>/dev/null)" = 600 ]
    [ -n "$root" ] || check "a cron daemon runs" cron_runs
    [ "$bad" = 0 ] || exit 1

    export SCHEDULER_ENV_FILE=$settings
    if [ -n "$root" ]; then export TOKEN_FILE=$root/etc/qs-server/internal-token LOCK_DIR=$root/run/qs-scheduler; fi
    # Also when the token of an earlier account is still good: it is the credentials that are to be proven.
    echo "logging in"
    "$root/usr/local/bin/qs-refresh-token.sh" || exit 1
    echo "calling $duty"
    "$root/usr/local/bin/qs-api-call.sh" "$duty" || code=$?
    # The cron line of this minute is doing the same, which is as good.
    [ "$code" = 0 ] || [ "$code" = 17 ] || exit 1
    echo "it works"
}

case $verb in
    deploy | verify) "$verb" ;;
    *)
        echo "on-host.sh is run by deploy.sh and verify.sh" >&2
        exit 2
        ;;
esac
