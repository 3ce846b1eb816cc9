#!/bin/sh
# Acts on the events of qs from its Redis Stream, as a consumer group. QS_REDIS_URL says where Redis is. An entry is
# acknowledged after it was acted on; "0" in place of ">" reads again what a crash left unacknowledged.
set -eu
stream=qs:events:plan group=example-sh
redis() { redis-cli -u "$QS_REDIS_URL" --raw "$@"; }
redis XGROUP CREATE "$stream" "$group" 0 MKSTREAM >/dev/null 2>&1 || true
while :; do
    # The lines of an entry: stream, id, "name", the name, "event", the document.
    redis XREADGROUP GROUP "$group" me COUNT 1 BLOCK 5000 STREAMS "$stream" ">" | {
        read -r _ || exit 0
        read -r id
        read -r _ && read -r name && read -r _ && read -r event
        printf '%s %s\n' "$name" "$event"
        redis XACK "$stream" "$group" "$id" >/dev/null
    }
done
