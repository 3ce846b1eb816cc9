#!/usr/bin/env bash
# Gets a token and puts it into TOKEN_FILE: one line, mode 0600, replaced as a whole under a lock.
#
#   qs-refresh-token.sh
#
# It logs in with CLIENT_ID and CLIENT_SECRET at TOKEN_URL, else with IAM_USERNAME and IAM_PASSWORD at IAM_LOGIN_URL.
# Settings come from the environment, then from SCHEDULER_ENV_FILE (/etc/qs-server/scheduler.env, mode 0600).
# When another process has replaced the token while this one waited for the lock, that token is taken.
#
# Exit codes: 0 done · 2 misuse or a bad setting · 10 no token in the answer, or nowhere to put it · 11 the credentials are
# refused · 12 forbidden · 13 any other refusal · 14 status 5xx after retries · 15 no answer in time · 16 cannot be
# reached · 17 another refresh holds the lock for too long
set -uo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
for library in "$here/qs-scheduler-lib.sh" "$here/../lib/qs-scheduler/qs-scheduler-lib.sh"; do
    [ -r "$library" ] && break
done
# shellcheck source=deploy/crontab/qs-scheduler-lib.sh
. "$library" || exit 2

readonly LOCK_WAIT_S=60
# A login is quick or broken; the TIMEOUT of the duties is for duties.
readonly LONGEST_LOGIN_S=30

log_in_by_password() {
    local quoted body
    json_string "$IAM_USERNAME"
    body="{\"username\":$quoted"
    json_string "$IAM_PASSWORD"
    body+=",\"password\":$quoted}"
    log_in --header 'Content-Type: application/json' --data-binary @- "$IAM_LOGIN_URL" < <(printf %s "$body")
}

log_in_by_client() {
    local id secret scope form='grant_type=client_credentials'
    percent_encode "$CLIENT_SCOPE" && scope=$encoded
    [ -z "$scope" ] || form+="&scope=$scope"
    percent_encode "$CLIENT_ID" && id=$encoded
    percent_encode "$CLIENT_SECRET" && secret=$encoded
    if [ "$CLIENT_AUTH" = post ]; then
        log_in --data-binary @- "$TOKEN_URL" < <(printf %s "$form&client_id=$id&client_secret=$secret")
    else
        # RFC 6749 2.3.1: form-encoded first, then joined.
        log_in --header @- --data-raw "$form" "$TOKEN_URL" \
            < <(printf 'Authorization: Basic %s\n' "$(printf %s "$id:$secret" | base64 -w 0)")
    fi
}

# log_in CURL_ARGUMENTS…: one login; what is secret in it comes from stdin.
log_in() {
    : >"$scratch/body"
    exchange "$login_timeout" "$scratch/body" --header 'Accept: application/json' "$@"
}

# token_in FILE: $token is the token of an answer {token}, {access_token}, {data: {…}}.
token_in() {
    local name line values
    values=$(json_values 'token access_token' <"$1")
    for name in token access_token data.token data.access_token; do
        while IFS= read -r line; do
            if [ "${line%% *}" = "$name" ] && is_token "${line#* }"; then
                token=${line#* }
                return 0
            fi
        done <<<"$values"
    done
    return 1
}

# put_token: the file is the old one or the new one at any moment, and never readable by others.
put_token() {
    local new
    new=$(mktemp "$TOKEN_FILE.XXXXXX" 2>/dev/null) || return 1
    if { printf '%s\n' "$token" >"$new" && chmod 600 "$new" && mv -f -- "$new" "$TOKEN_FILE"; } 2>/dev/null; then
        return 0
    fi
    rm -f -- "$new"
    return 1
}

give_up() {
    log "token: $2"
    exit "$1"
}

if [ $# -gt 0 ]; then
    case $1 in
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
    esac
    echo "usage: qs-refresh-token.sh (settings come from the environment and from a file)" >&2
    exit 2
fi
load_settings || exit

if [ -n "$CLIENT_ID" ]; then
    how=log_in_by_client where=TOKEN_URL
    [ -n "$CLIENT_SECRET" ] || give_up "$MISUSE" "CLIENT_ID is set and CLIENT_SECRET is not, so nobody can log in; set both"
elif [ -n "$IAM_USERNAME" ]; then
    how=log_in_by_password where=IAM_LOGIN_URL
    [ -n "$IAM_PASSWORD" ] || give_up "$MISUSE" "IAM_USERNAME is set and IAM_PASSWORD is not, so nobody can log in; set both"
else
    give_up "$MISUSE" "there are no credentials to get one with; set IAM_USERNAME and IAM_PASSWORD, or CLIENT_ID and CLIENT_SECRET"
fi
login_timeout=$((TIMEOUT < LONGEST_LOGIN_S ? TIMEOUT : LONGEST_LOGIN_S))

scratch=$(mktemp -d) || give_up "$NO_TOKEN" "no temporary directory can be made"
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

mkdir -p -- "$(dirname -- "$TOKEN_FILE")" 2>/dev/null
read_token || true
before=$token
# Appending, so that nothing is lost where the name leads to something else.
{ exec 9>>"$TOKEN_FILE.lock"; } 2>/dev/null ||
    give_up "$NO_TOKEN" "$(dirname -- "$TOKEN_FILE") cannot be written by user $(id -un), so that no token can be kept"
flock -w "$LOCK_WAIT_S" 9 || give_up "$ALREADY_RUNNING" "another refresh holds the lock for more than $LOCK_WAIT_S s"
if read_token && [ "$token" != "$before" ]; then
    log "token: another process has refreshed it meanwhile"
    exit "$DONE"
fi

retrying "token: $where" "$how"
case $found in
    "$DONE") ;;
    "$UNAUTHORIZED") give_up "$UNAUTHORIZED" "$where refuses the credentials (status 401)" ;;
    *) give_up "$found" "$where: $(in_words "$found")" ;;
esac
token_in "$scratch/body" ||
    give_up "$NO_TOKEN" "the answer of $where (status $http_status) holds no token of the form that TOKEN_FORMAT=$TOKEN_FORMAT expects"
put_token || give_up "$NO_TOKEN" "$TOKEN_FILE cannot be written by user $(id -un), so that no token can be kept"
log "token: refreshed"
if expires_soon "$token"; then
    log "token: by the clock of this host the new one is about to expire; check the clock, since every call logs in anew"
fi
