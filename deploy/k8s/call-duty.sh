#!/bin/sh
# Calls one duty of qs by POST from a container that has nothing but sh and curl: the small sister of qs-api-call.sh.
#
#   call-duty.sh /api/v1/plans/tasks/schedule
#
# From the environment: API_BASE_URL; TOKEN_URL (API_BASE_URL/oauth2/token); TIMEOUT (300); RETRIES (3). From the files of a
# mounted Secret, in SECRET_DIR (/var/run/secrets/qs): client-id and client-secret, or a token that lives long enough.
# Secrets reach curl by files and never by arguments; nothing of an answer is printed but its status.
#
# Exit codes: 0 done · 2 misuse · 10 no token to be had · 11 unauthorized · 12 forbidden · 13 any other refusal ·
# 14 status 5xx after retries · 15 no answer in time · 16 cannot be reached
set -u
umask 077

path=${1:-}
case $path in
    /api/v1/*) ;;
    *)
        echo "usage: call-duty.sh /api/v1/…" >&2
        exit 2
        ;;
esac
if [ -z "${API_BASE_URL:-}" ]; then
    echo "API_BASE_URL is not set, so that nobody knows whom to call" >&2
    exit 2
fi
api=${API_BASE_URL%/}
api=${api%/api/v1}
secrets=${SECRET_DIR:-/var/run/secrets/qs}
scratch=$(mktemp -d) || exit 10
trap 'rm -rf "$scratch"' EXIT
trap 'exit 143' TERM

# say TEXT
say() {
    printf '[%s] %s: %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$path" "$1"
}

# post TIMEOUT CURL_ARGUMENTS…: $status is the answer's, 000 without one; $code is curl's.
post() {
    timeout=$1
    shift
    code=0
    status=$(curl --disable --silent --globoff --proto '=http,https' --connect-timeout 10 --max-time "$timeout" \
        --retry "${RETRIES:-3}" --retry-connrefused --request POST --header 'Accept: application/json' \
        --output "$scratch/body" --write-out '%{http_code}' "$@" 2>/dev/null) || code=$?
    [ "$code" = 0 ] || status=000
}

# one_line FILE COPY: what stands in it without the line break that editors add.
one_line() {
    printf %s "$(cat "$1")" >"$2"
}

if [ -s "$secrets/client-id" ] && [ -s "$secrets/client-secret" ]; then
    one_line "$secrets/client-id" "$scratch/id"
    one_line "$secrets/client-secret" "$scratch/secret"
    post 30 --data grant_type=client_credentials --data-urlencode "client_id@$scratch/id" \
        --data-urlencode "client_secret@$scratch/secret" "${TOKEN_URL:-$api/oauth2/token}"
    tr -d '\n' <"$scratch/body" 2>/dev/null | sed -n 's/.*"access_token" *: *"\([A-Za-z0-9._~+\/=-]*\)".*/\1/p' >"$scratch/token"
    if [ "$status" != 200 ] || ! [ -s "$scratch/token" ]; then
        say "FAILED (10): no token is to be had: status $status, curl $code"
        exit 10
    fi
elif [ -s "$secrets/token" ]; then
    one_line "$secrets/token" "$scratch/token"
else
    say "FAILED (10): the Secret has neither client-id and client-secret nor a token"
    exit 10
fi

{ printf 'Authorization: Bearer ' && cat "$scratch/token"; } >"$scratch/headers"
post "${TIMEOUT:-300}" --header "@$scratch/headers" --header 'Content-Type:' --data-raw '' "$api$path"
case $status in
    2??)
        say "ok, status $status"
        exit 0
        ;;
    401) exit_code=11 ;;
    403) exit_code=12 ;;
    5??) exit_code=14 ;;
    000) [ "$code" = 28 ] && exit_code=15 || exit_code=16 ;;
    *) exit_code=13 ;;
esac
say "FAILED ($exit_code): status $status, curl $code"
exit "$exit_code"
