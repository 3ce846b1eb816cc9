#!/usr/bin/env bash
# Calls one duty of qs by POST, with a token that works, and says in one line how it went.
#
#   qs-api-call.sh [--before now|TIME] ENDPOINT [LOG_FILE]
#
#   qs-api-call.sh /api/v1/plans/tasks/schedule /var/log/qs-scheduler/schedule-tasks.log
#   qs-api-call.sh /plans/tasks/schedule?before=2026-07-01T19:00:00+08:00
#
# ENDPOINT is a path, with or without /api/v1; what needs encoding in its query is encoded. --before adds the parameter of
# that name: now, or a time as the API takes it. Without LOG_FILE, or when it cannot be written, lines go to the console.
#
# Settings come from the environment, then from SCHEDULER_ENV_FILE (/etc/qs-server/scheduler.env, mode 0600), then:
#   TOKEN_FILE            /etc/qs-server/internal-token   one line, mode 0600
#   TOKEN_FORMAT          jwt                             or opaque, for an IAM whose tokens are no JWT
#   API_BASE_URL          http://127.0.0.1:8080
#   TIMEOUT               300                             seconds for one answer
#   RETRIES, BACKOFF      3, 2                            after 5xx, no answer, no connection; pauses of 2, 4, 8 s
#   REFRESH_TOKEN_SCRIPT  qs-refresh-token.sh beside this script
#   LOCK_DIR              /run/qs-scheduler               one call per endpoint at a time
#   CA_FILE               the system's                    certificates to trust
#   ALERT_COMMAND         none                            run by bash on failure; see README.md
#   IAM_LOGIN_URL, IAM_USERNAME, IAM_PASSWORD, or TOKEN_URL, CLIENT_ID, CLIENT_SECRET (CLIENT_AUTH, CLIENT_SCOPE)
#
# Exit codes: 0 done · 2 misuse or a bad setting · 10 no token and none to be had · 11 still unauthorized with a new token ·
# 12 forbidden · 13 any other refusal · 14 status 5xx after retries · 15 no answer in time · 16 cannot be reached ·
# 17 already running
set -uo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
for library in "$here/qs-scheduler-lib.sh" "$here/../lib/qs-scheduler/qs-scheduler-lib.sh"; do
    [ -r "$library" ] && break
done
# shellcheck source=deploy/crontab/qs-scheduler-lib.sh
. "$library" || exit 2

readonly LONGEST_ALERT_S=60

misuse() {
    printf '%s\nusage: qs-api-call.sh [--before now|TIME] ENDPOINT [LOG_FILE]\n' "$1" >&2
    exit "$MISUSE"
}

# read_endpoint TEXT: $path and $query. A plus is a plus: crontab lines hold +08:00, and mean that.
read_endpoint() {
    path=${1%%\?*}
    query=
    [[ $1 == *\?* ]] && query=${1#*\?}
    path=/${path#/}
    if ! [[ $path =~ ^(/[A-Za-z0-9_][A-Za-z0-9._~-]*)+$ ]] || [ "${#1}" -gt 2000 ]; then
        misuse "the endpoint is no path of the API, such as /api/v1/plans/tasks/schedule"
    fi
    [[ $query != *[$'\x01'-$'\x1f'$'\x7f']* ]] || misuse "the endpoint holds control characters"
    [[ $path == /api/v1/* ]] || path=/api/v1$path
    # A percent sign is kept: what has been encoded already stays as it is.
    percent_encode "$query" '=&%/:,'
    query=$encoded
}

add_before() {
    local before=$1
    [ "$before" != now ] || before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    [ -n "$before" ] || misuse "--before needs a time, or now"
    percent_encode "$before" :
    query+="${query:+&}before=$encoded"
}

# hold_lock: nobody else calls this path as long as we live. Without a place for locks the call is made all the same:
# the duties are safe to run twice.
hold_lock() {
    local name=${path//\//-}
    mkdir -p -- "$LOCK_DIR" 2>/dev/null
    if ! [ -d "$LOCK_DIR" ] || ! [ -O "$LOCK_DIR" ] || ! { exec 8>>"$LOCK_DIR/${name#-}.lock"; } 2>/dev/null; then
        log "$path: LOCK_DIR $LOCK_DIR is not ours to write, so that two calls at once cannot be kept apart; going on"
        return
    fi
    if ! flock -n 8; then
        log "$path: already running; left to the other call"
        exit "$ALREADY_RUNNING"
    fi
}

# refresh: runs the script that gets a token, with the secrets that it alone needs; then $token is the new one.
refresh() {
    local code=0
    # Whatever it prints, people's own script included, is no log of ours and may hold anything.
    (
        export "${SETTINGS[@]}" LOG_FILE
        exec "$REFRESH_TOKEN_SCRIPT" 8>&- >"$scratch/refresh" 2>&1
    ) || code=$?
    relay_log
    if [ "$code" != 0 ]; then
        fail "$NO_TOKEN" "no token is to be had: ${REFRESH_TOKEN_SCRIPT##*/} ended with $code"
    fi
    read_token || fail "$NO_TOKEN" "after ${REFRESH_TOKEN_SCRIPT##*/} there is still no token of the form TOKEN_FORMAT=$TOKEN_FORMAT in TOKEN_FILE"
}

# relay_log: the lines of our own refresh script, which has no log file when we have none or ours cannot be written.
relay_log() {
    local line
    while IFS= read -r line; do
        [[ $line =~ ^\[[0-9]{4}-[0-9]{2}-[0-9]{2}\ [0-9:]{8}\]\ ((token|settings):\ .{1,300})$ ]] && log "${BASH_REMATCH[1]}"
    done <"$scratch/refresh"
}

call_api() {
    : >"$scratch/body"
    exchange_with_token < <(printf 'Authorization: Bearer %s\n' "$token")
}

exchange_with_token() {
    # An empty body without a content type, which every version of the API takes.
    exchange "$TIMEOUT" "$scratch/body" --request POST --header @- --header 'Content-Type:' \
        --header 'Accept: application/json' --data-raw '' "$API_BASE_URL$path${query:+?$query}"
}

# counts: prints what the answer says in words and numbers that cannot hold a secret.
counts() {
    local line name value
    json_values "status kind opened expired missed failed remaining upserted unchanged checked differences_total \
outbox inbox messages executions job_months_dropped duration_ms execution_id error" <"$scratch/body" | while IFS= read -r line; do
        name=${line%% *} value=${line#* }
        name=${name#data.}
        case $name in
            # Of a problem its status is the one we print anyway.
            status) [[ $line == data.* && $value =~ ^[a-z_]{1,32}$ ]] || continue ;;
            kind) [[ $value =~ ^[a-z_-]{1,32}$ ]] || continue ;;
            error) [[ $value =~ ^[a-z_]{1,32}\.[a-z_]{1,32}$ ]] || continue ;;
            execution_id) [[ $value =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || continue ;;
            *) [[ $value =~ ^[0-9]{1,18}$ ]] || continue ;;
        esac
        printf ' %s=%s' "$name" "$value"
    done
}

fail() {
    log "$path: FAILED ($1): $2"
    alert "$1" "$2"
    exit "$1"
}

# alert CODE TEXT: tells whoever ALERT_COMMAND tells; what that does or prints changes nothing.
alert() {
    local code=0
    [ -n "$ALERT_COMMAND" ] || return
    printf '%s: %s failed (%s): %s\n' "$(uname -n)" "$path" "$1" "$2" |
        QS_ALERT_ENDPOINT=$path QS_ALERT_CODE=$1 QS_ALERT_TEXT=$2 \
            timeout "$LONGEST_ALERT_S" bash -c "$ALERT_COMMAND" 8>&- >/dev/null 2>&1 || code=$?
    [ "$code" = 0 ] || log "$path: ALERT_COMMAND ended with $code"
}

before=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --before)
            [ $# -ge 2 ] || misuse "--before needs a time, or now"
            before=$2
            [ -n "$before" ] || misuse "--before needs a time, or now"
            shift 2
            ;;
        -*) misuse "there is no option $1" ;;
        *) break ;;
    esac
done
[ $# = 1 ] || [ $# = 2 ] || misuse "one endpoint is needed, and at most a log file"
read_endpoint "$1"
[ -z "$before" ] || add_before "$before"
# The one that is given here, not one of the environment.
LOG_FILE=${2:-}
[ -z "$LOG_FILE" ] || mkdir -p -- "$(dirname -- "$LOG_FILE")" 2>/dev/null
if ! load_settings; then
    # Without settings nobody can be alerted; cron mails what is said here.
    [ -z "$LOG_FILE" ] || echo "qs-api-call.sh: the settings are wrong; $LOG_FILE says why" >&2
    exit "$MISUSE"
fi
REFRESH_TOKEN_SCRIPT=${REFRESH_TOKEN_SCRIPT:-$here/qs-refresh-token.sh}

scratch=$(mktemp -d) || fail "$NO_TOKEN" "no temporary directory can be made"
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
hold_lock

if ! read_token || expires_soon "$token"; then
    refresh
fi
started=$SECONDS
retrying "$path" call_api
if [ "$found" = "$UNAUTHORIZED" ]; then
    refused=$token
    log "$path: status 401; once more with a new token"
    # Another call may have got one meanwhile.
    if ! read_token || [ "$token" = "$refused" ]; then
        refresh
    fi
    retrying "$path" call_api
fi
case $found in
    "$DONE") log "$path: ok, status $http_status in $((SECONDS - started)) s$(counts)" ;;
    "$UNAUTHORIZED") fail "$found" "still status 401 with a new token$(counts); is it issued for this API, and by an issuer that it trusts?" ;;
    "$FORBIDDEN") fail "$found" "status 403$(counts); the account needs the scope tasks:schedule or statistics:sync, and for retention to be of all tenants or of the first" ;;
    "$REFUSED") fail "$found" "status $http_status$(counts)" ;;
    *) fail "$found" "$(in_words "$found"), after $RETRIES retries" ;;
esac
