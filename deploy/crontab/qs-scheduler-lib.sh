# shellcheck shell=bash
# What qs-api-call.sh and qs-refresh-token.sh share: settings, log lines, tokens, one HTTP exchange.
# It is read by them and never run. Secrets stay in variables that no child process inherits, and reach curl by stdin.

# The exit codes of both scripts; README.md explains them.
# shellcheck disable=SC2034
readonly DONE=0 MISUSE=2 NO_TOKEN=10 UNAUTHORIZED=11 FORBIDDEN=12 REFUSED=13 SERVER_FAILED=14 TIMED_OUT=15 \
    UNREACHABLE=16 ALREADY_RUNNING=17

readonly SETTINGS=(
    TOKEN_FILE TOKEN_FORMAT API_BASE_URL TIMEOUT RETRIES BACKOFF LOCK_DIR CA_FILE ALERT_COMMAND
    REFRESH_TOKEN_SCRIPT IAM_LOGIN_URL IAM_USERNAME IAM_PASSWORD
    TOKEN_URL CLIENT_ID CLIENT_SECRET CLIENT_AUTH CLIENT_SCOPE
)
readonly SECRETS=(IAM_USERNAME IAM_PASSWORD CLIENT_ID CLIENT_SECRET)
readonly LONGEST_TOKEN=8192
readonly NEAR_EXPIRY_S=60

# Characters are bytes from here on, so that UTF-8 passes through untouched whatever the locale knows.
LC_ALL=C
umask 077

LOG_FILE=${LOG_FILE:-}
log_refused=

# log TEXT: a line in the log file, on stdout without one, on stderr when the file takes none. TEXT never holds a secret.
log() {
    local line
    printf -v line '[%(%Y-%m-%d %H:%M:%S)T] %s' -1 "$1"
    if [ -z "$LOG_FILE" ]; then
        printf '%s\n' "$line"
        return
    fi
    if [ -z "$log_refused" ] && { printf '%s\n' "$line" >>"$LOG_FILE"; } 2>/dev/null; then
        return
    fi
    if [ -z "$log_refused" ]; then
        log_refused=yes
        printf '[%(%Y-%m-%d %H:%M:%S)T] %s\n' -1 "$LOG_FILE cannot be written; the log goes to stderr" >&2
    fi
    printf '%s\n' "$line" >&2
}

# load_settings: the environment first, then the file, then the defaults. Returns 2 after saying what is wrong.
load_settings() {
    local file=${SCHEDULER_ENV_FILE:-/etc/qs-server/scheduler.env}
    if [ -e "$file" ]; then
        read_settings_file "$file" || return
    elif [ -n "${SCHEDULER_ENV_FILE:-}" ]; then
        log "settings: $file does not exist; name another by SCHEDULER_ENV_FILE"
        return "$MISUSE"
    fi
    TOKEN_FILE=${TOKEN_FILE:-/etc/qs-server/internal-token}
    TOKEN_FORMAT=${TOKEN_FORMAT:-jwt}
    API_BASE_URL=${API_BASE_URL:-http://127.0.0.1:8080}
    TIMEOUT=${TIMEOUT:-300}
    RETRIES=${RETRIES:-3}
    BACKOFF=${BACKOFF:-2}
    LOCK_DIR=${LOCK_DIR:-$(default_lock_dir)}
    CA_FILE=${CA_FILE:-}
    ALERT_COMMAND=${ALERT_COMMAND:-}
    # People have the base with the prefix as well as without.
    API_BASE_URL=${API_BASE_URL%"${API_BASE_URL##*[!/]}"}
    API_BASE_URL=${API_BASE_URL%/api/v1}
    IAM_LOGIN_URL=${IAM_LOGIN_URL:-$API_BASE_URL/api/v1/auth/login}
    TOKEN_URL=${TOKEN_URL:-$API_BASE_URL/oauth2/token}
    IAM_USERNAME=${IAM_USERNAME:-} IAM_PASSWORD=${IAM_PASSWORD:-}
    CLIENT_ID=${CLIENT_ID:-} CLIENT_SECRET=${CLIENT_SECRET:-}
    CLIENT_AUTH=${CLIENT_AUTH:-basic} CLIENT_SCOPE=${CLIENT_SCOPE:-}
    # Children see none of them, unless one is meant to.
    export -n "${SECRETS[@]}" ALERT_COMMAND
    check_settings
}

default_lock_dir() {
    # A place that others can write to would let them hold our locks or point them elsewhere.
    if [ "$(id -u)" = 0 ]; then
        printf /run/qs-scheduler
    else
        printf '%s/qs-scheduler-%s' "${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}" "$(id -u)"
    fi
}

check_settings() {
    local name
    for name in TIMEOUT RETRIES BACKOFF; do
        if ! [[ ${!name} =~ ^(0|[1-9][0-9]{0,5})$ ]]; then
            log "settings: $name is no whole number of up to six digits; give one"
            return "$MISUSE"
        fi
    done
    if [ "$TIMEOUT" = 0 ] || [ "$RETRIES" -gt 20 ] || [ "$BACKOFF" -gt 600 ]; then
        log "settings: TIMEOUT must be 1 or more, RETRIES at most 20, BACKOFF at most 600; the call would never end"
        return "$MISUSE"
    fi
    for name in API_BASE_URL IAM_LOGIN_URL TOKEN_URL; do
        # curl's argument list is everybody's to read, so credentials in an address would be, too.
        if ! [[ ${!name} =~ ^https?://[^][:space:][:cntrl:]@\"\\{}]+$ ]]; then
            log "settings: $name is no http or https address without credentials in it; give one"
            return "$MISUSE"
        fi
    done
    case $TOKEN_FORMAT in jwt | opaque) ;; *)
        log "settings: TOKEN_FORMAT is neither jwt nor opaque"
        return "$MISUSE"
        ;;
    esac
    case $CLIENT_AUTH in basic | post) ;; *)
        log "settings: CLIENT_AUTH is neither basic nor post"
        return "$MISUSE"
        ;;
    esac
}

# read_settings_file FILE: takes KEY='value' lines for what the environment leaves open. Nothing in it is executed.
read_settings_file() {
    local file=$1 line name number=0 value known=" ${SETTINGS[*]} "
    local owner mode
    if ! { read -r owner mode < <(stat -L -c '%u %a' "$file"); } 2>/dev/null || ! [ -r "$file" ]; then
        log "settings: $file cannot be read by user $(id -un)"
        return "$MISUSE"
    fi
    if [ "$owner" != 0 ] && [ "$owner" != "$(id -u)" ]; then
        log "settings: $file belongs to another user, who could change what is done here; chown it"
        return "$MISUSE"
    fi
    if ((0$mode & 077)); then
        log "settings: $file can be read or written by others and holds secrets; chmod 600 it"
        return "$MISUSE"
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#export }
        case $line in '' | '#'*) continue ;; esac
        name=${line%%=*}
        if [ "$name" = "$line" ] || ! [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]{0,63}$ ]]; then
            log "settings: line $number of $file is not KEY='value'"
            return "$MISUSE"
        fi
        if [[ $known != *" $name "* ]]; then
            log "settings: line $number of $file sets $name, which is no setting; ignored"
            continue
        fi
        if ! unquote "${line#*=}"; then
            log "settings: the value of $name (line $number of $file) ends within a quote, or blanks in it are not quoted"
            return "$MISUSE"
        fi
        value=$unquoted
        [ -n "${!name:-}" ] || printf -v "$name" %s "$value"
    done <"$file"
}

# unquote TEXT: $unquoted is what a shell would make of the word, except that $ and ` mean themselves everywhere.
unquote() {
    local rest=$1 found
    unquoted=
    while [ -n "$rest" ]; do
        case $rest in
            \'*)
                rest=${rest#?}
                case $rest in *\'*) ;; *) return 1 ;; esac
                unquoted+=${rest%%\'*}
                rest=${rest#*\'}
                ;;
            \"*)
                rest=${rest#?}
                while :; do
                    found=${rest%%[\"\\]*}
                    unquoted+=$found
                    rest=${rest#"$found"}
                    case $rest in
                        \"*) rest=${rest#?} && break ;;
                        \\[\"\\\$\`]*) unquoted+=${rest:1:1} rest=${rest:2} ;;
                        \\*) unquoted+=\\ rest=${rest#?} ;;
                        *) return 1 ;;
                    esac
                done
                ;;
            \\?*) unquoted+=${rest:1:1} rest=${rest:2} ;;
            [[:space:]]*)
                rest=${rest#"${rest%%[![:space:]]*}"}
                case $rest in '' | '#'*) return 0 ;; *) return 1 ;; esac
                ;;
            *)
                found=${rest%%[\'\"\\[:space:]]*}
                # A lone backslash at the end means itself.
                [ -n "$found" ] || found=$rest
                unquoted+=$found
                rest=${rest#"$found"}
                ;;
        esac
    done
}

# json_string TEXT: $quoted is the text as a JSON string; everything beyond ASCII stays as it is.
json_string() {
    local text=$1 character code
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    if [[ $text == *[$'\x01'-$'\x1f']* ]]; then
        for code in {1..31}; do
            printf -v code '%04x' "$code"
            printf -v character %b "\\x${code:2}"
            text=${text//"$character"/"\\u$code"}
        done
    fi
    quoted="\"$text\""
}

# json_values KEYS: reads JSON on stdin; prints what these top-level keys, and the same within "data", hold when that is
# a string without escapes other than \/ or a number: lines "key value" and "data.key value".
json_values() {
    local keys=$1
    if command -v jq >/dev/null; then
        jq -r --arg keys "$keys" '
            def plain: select(type == "number" or (type == "string" and test("^[ -~]*$")));
            ($keys / " ")[] as $key
            | (if type == "object" then . else empty end)
            | (.[$key] | plain | "\($key) \(.)"),
              (.data | if type == "object" then .[$key] else empty end | plain | "data.\($key) \(.)")
        ' 2>/dev/null
        return
    fi
    json_walk " $keys "
}

# json_walk KEYS: the same with nothing but bash, token by token, so that a key in a nested object or in a text is not
# taken for one of ours.
json_walk() {
    local keys=$1 rest token found depth=0 expecting=value key='' inner='' path_ok value
    # What we ask for stands before the lists. NUL cannot be kept in a variable.
    rest=$(tr -d '\000' | head -c 16384)
    while :; do
        rest=${rest#"${rest%%[!$' \t\r\n']*}"}
        [ -n "$rest" ] || return 0
        case $rest in
            ['{[']*)
                depth=$((depth + 1))
                # Only the object that the key "data" of the outermost one holds is looked into.
                if [ "$depth" = 2 ]; then
                    inner=
                    [ "${rest:0:1}" = '{' ] && [ "$key" = data ] && inner=data.
                fi
                [ "${rest:0:1}" = '{' ] && expecting=key || expecting=value
                [ "$depth" = 1 ] && [ "${rest:0:1}" = '[' ] && return 0
                rest=${rest:1}
                ;;
            ['}]']*)
                depth=$((depth - 1))
                [ "$depth" -le 1 ] && inner=
                rest=${rest:1}
                ;;
            ,*)
                # Within arrays a string is a value; nobody asks for those, so that calling it a key does no harm.
                expecting=key
                rest=${rest:1}
                ;;
            :*)
                expecting=value
                rest=${rest:1}
                ;;
            *)
                token='' value=other
                if [ "${rest:0:1}" = '"' ]; then
                    value=text rest=${rest:1}
                    while :; do
                        found=${rest%%[\"\\]*}
                        token+=$found
                        rest=${rest:${#found}}
                        case $rest in
                            \"*) rest=${rest:1} && break ;;
                            \\?*) token+=${rest:0:2} rest=${rest:2} ;;
                            *) return 0 ;;
                        esac
                    done
                else
                    token=${rest%%[!-+.0-9A-Za-z]*}
                    [ -n "$token" ] || return 1
                    rest=${rest:${#token}}
                fi
                path_ok=
                [ "$depth" = 1 ] && path_ok=yes
                [ "$depth" = 2 ] && [ -n "$inner" ] && path_ok=yes
                if [ "$expecting" = key ]; then
                    [ -n "$path_ok" ] && key=$token
                    continue
                fi
                if [ -z "$path_ok" ] || [[ $keys != *" $key "* ]]; then continue; fi
                token=${token//\\\//\/}
                if [ "$value" = text ]; then
                    [[ $token == *\\* || $token == *[!\ -~]* ]] && continue
                elif ! [[ $token =~ ^-?[0-9] ]]; then
                    continue
                fi
                printf '%s %s\n' "$inner$key" "$token"
                ;;
        esac
    done
}

# read_token: $token is the one line of the token file; 1 when there is none of that form.
read_token() {
    local text
    token=
    if ! [ -f "$TOKEN_FILE" ] || ! [ -r "$TOKEN_FILE" ]; then return 1; fi
    # NUL cannot be kept in a variable, and must not vanish from between two halves.
    text=$(head -c $((LONGEST_TOKEN + 3)) "$TOKEN_FILE" 2>/dev/null | tr '\000' ' ')
    text=${text%$'\r'}
    is_token "$text" || return 1
    token=$text
}

# is_token TEXT: it has the form of a token, which also means that it can be put into a header.
is_token() {
    [ "${#1}" -le "$LONGEST_TOKEN" ] || return 1
    if [ "$TOKEN_FORMAT" = opaque ]; then
        [[ $1 =~ ^[A-Za-z0-9._~+/-]{8,}=*$ ]]
    else
        [[ $1 =~ ^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$ ]]
    fi
}

# expires_soon TOKEN: its exp claim is near or past on the clock of this host. One that does not say is left to the server.
expires_soon() {
    local payload expiry
    payload=${1#*.}
    payload=${payload%%.*}
    payload=${payload//-/+}
    payload=${payload//_//}
    while ((${#payload} % 4)); do payload+='='; done
    expiry=$(printf %s "$payload" | base64 -d 2>/dev/null | json_values exp | sed -n 's/^exp \([0-9]\{1,15\}\).*/\1/p')
    [ -n "$expiry" ] || return 1
    [ "$expiry" -le $(($(date +%s) + NEAR_EXPIRY_S)) ]
}

# percent_encode TEXT [KEPT]: $encoded is the text, all encoded but unreserved characters and those of KEPT.
percent_encode() {
    local text=$1 kept=${2:-} at character code
    encoded=
    for ((at = 0; at < ${#text}; at++)); do
        character=${text:at:1}
        if [[ $character == [A-Za-z0-9._~-] || $kept == *"$character"* ]]; then
            encoded+=$character
        else
            printf -v code %d "'$character"
            printf -v code '%%%02X' $((code & 255))
            encoded+=$code
        fi
    done
}

# exchange TIMEOUT BODY_FILE CURL_ARGUMENTS…: one request; stdin is curl's. $http_status is the status, 000 without an
# answer, $curl_code curl's own exit code and $connected whether there was a connection.
exchange() {
    local timeout=$1 body=$2 told
    shift 2
    # --disable first: somebody's .curlrc must not decide how we talk. The locks (8 and 9) are not for children.
    local arguments=(--disable --silent --globoff --proto '=http,https' --connect-timeout 10 --max-time "$timeout")
    [ -z "$CA_FILE" ] || arguments+=(--cacert "$CA_FILE")
    curl_code=0
    told=$(
        curl "${arguments[@]}" --output "$body" --write-out '%{http_code} %{time_connect}' "$@" \
            8>&- 9>&- 2>/dev/null
    ) || curl_code=$?
    http_status=${told%% *}
    [[ $http_status =~ ^[0-9]{3}$ ]] || http_status=000
    # An answer that broke off is none.
    [ "$curl_code" = 0 ] || http_status=000
    connected=
    [[ ${told##* } == *[1-9]* ]] && connected=yes
    return 0
}

# outcome: prints the exit code that stands for what exchange found; 401 is UNAUTHORIZED.
outcome() {
    case $http_status in
        2??) echo "$DONE" ;;
        401) echo "$UNAUTHORIZED" ;;
        403) echo "$FORBIDDEN" ;;
        5??) echo "$SERVER_FAILED" ;;
        000)
            case $curl_code in
                28) [ -n "$connected" ] && echo "$TIMED_OUT" || echo "$UNREACHABLE" ;;
                1 | 2 | 3 | 4 | 26 | 27 | 43 | 77) echo "$MISUSE" ;;
                *) echo "$UNREACHABLE" ;;
            esac
            ;;
        *) echo "$REFUSED" ;;
    esac
}

# in_words CODE: the same for people.
in_words() {
    case $1 in
        "$TIMED_OUT") printf 'no answer in time' ;;
        "$UNREACHABLE") printf 'cannot be reached (curl %s)' "$curl_code" ;;
        "$MISUSE") printf 'curl could not start the request (curl %s)' "$curl_code" ;;
        *) printf 'status %s' "$http_status" ;;
    esac
}

# retrying WHAT COMMAND…: runs the command, which calls exchange, until what it found will not change by itself; $found
# is the last exit code.
retrying() {
    local what=$1 attempt=0 pause=$BACKOFF
    shift
    while :; do
        "$@"
        found=$(outcome)
        case $found in
            "$SERVER_FAILED" | "$TIMED_OUT" | "$UNREACHABLE") ;;
            *) return 0 ;;
        esac
        [ "$attempt" -lt "$RETRIES" ] || return 0
        attempt=$((attempt + 1))
        log "$what: $(in_words "$found"); retry $attempt of $RETRIES in $pause s"
        sleep "$pause" 8>&- 9>&-
        pause=$((pause * 2))
    done
}
