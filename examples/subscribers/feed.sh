#!/bin/sh
# Acts on the events of qs from its feed, once a second: QS_URL and QS_TOKEN say where and who, STATE names the file that
# holds the position. After a crash the last page comes again.
set -eu
state=${STATE:-feed.position}
while :; do
    after=$(cat "$state" 2>/dev/null || echo 0)
    # The token stands in a file descriptor, not on the command line, where others could read it.
    page=$(printf 'header = "Authorization: Bearer %s"\n' "$QS_TOKEN" |
        curl --silent --show-error --fail --max-time 30 --config - "$QS_URL/api/v1/events?after=$after&page_size=100")
    printf '%s' "$page" | jq -r '.data.items[] | "\(.sequence) \(.type) \(.subject)"'
    next=$(printf '%s' "$page" | jq -r .data.next_after)
    if [ "$next" != "$after" ]; then
        printf '%s\n' "$next" >"$state.new"
        mv "$state.new" "$state"
    elif [ -n "${ONCE:-}" ]; then
        exit 0
    else
        sleep 1
    fi
done
