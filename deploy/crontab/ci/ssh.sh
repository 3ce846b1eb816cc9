# shellcheck shell=bash
# One SSH connection that shows nothing of where it goes and with what. Read by deploy.sh and verify.sh.

here=${here?}
scratch='' dry_run=''

# need NAME…: exits with 2 and names every variable that is not set.
need() {
    local name missing=
    for name in "$@"; do
        [ -n "${!name:-}" ] || missing+=" $name"
    done
    if [ -n "$missing" ]; then
        echo "not set, so that nobody can go on:$missing; in GitHub they are secrets of the repository or its environment" >&2
        exit 2
    fi
}

# fits NAME PATTERN: a value that is no more than it should be may stand in a file of options.
fits() {
    if ! [[ ${!1} =~ ^($2)$ ]]; then
        echo "$1 does not look like one; see docs/crontab/actions.md" >&2
        exit 2
    fi
}

forget() {
    local code=$?
    trap - EXIT
    rm -rf -- "$scratch"
    exit "$code"
}

# connect: $scratch, which nobody else can read and which does not outlive the script, has what ssh needs. Host, user and
# port are in a file, because argument lists are everybody's to read.
connect() {
    local line type key rest
    need SVRA_HOST SVRA_USERNAME SVRA_SSH_KEY
    SVRA_PORT=${SVRA_PORT:-22}
    fits SVRA_HOST '[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?'
    fits SVRA_USERNAME '[A-Za-z_][A-Za-z0-9_.-]{0,31}'
    fits SVRA_PORT '[0-9]{1,5}'
    [ -z "${SVRA_DESTDIR:-}" ] || fits SVRA_DESTDIR '/[^[:cntrl:]]*'

    umask 077
    scratch=$(mktemp -d)
    trap forget EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # Pasted keys have lost their last line break, or have come from Windows.
    printf '%s\n' "${SVRA_SSH_KEY//$'\r'/}" >"$scratch/key"
    if ! ssh-keygen -y -P '' -f "$scratch/key" >/dev/null 2>&1; then
        echo "SVRA_SSH_KEY is no private key, or has a passphrase, which nobody is here to type; make one by ssh-keygen -N ''" >&2
        exit 2
    fi
    : >"$scratch/known_hosts"
    while IFS= read -r line; do
        read -r type key rest <<<"${line//$'\r'/}" || true
        case $type in '' | '#'*) continue ;; esac
        # A line of ssh-keyscan has the host first.
        [[ $type =~ ^(ssh|ecdsa|sk)- ]] || { type=$key key=${rest%% *}; }
        if ! [[ "$type $key" =~ ^(ssh|ecdsa|sk)-[a-z0-9@.-]+\ [A-Za-z0-9+/]+=*$ ]]; then
            echo "SVRA_HOST_KEY is no public key of a host; ssh-keyscan prints them, to be compared on the host itself" >&2
            exit 2
        fi
        printf 'qs-host %s %s\n' "$type" "$key" >>"$scratch/known_hosts"
    done <<<"${SVRA_HOST_KEY:-}"
    local checking=yes
    if [ ! -s "$scratch/known_hosts" ]; then
        checking=accept-new
        printf '%s%s\n' "${GITHUB_ACTIONS:+::warning::}" \
            "SVRA_HOST_KEY is not set: whoever answers there is believed and gets the credentials" >&2
    fi
    # shellcheck disable=SC2153
    cat >"$scratch/config" <<CONFIG
Host qs-host
HostName $SVRA_HOST
HostKeyAlias qs-host
Port $SVRA_PORT
User $SVRA_USERNAME
IdentityFile "$scratch/key"
IdentitiesOnly yes
IdentityAgent none
PreferredAuthentications publickey
BatchMode yes
StrictHostKeyChecking $checking
UserKnownHostsFile "$scratch/known_hosts"
GlobalKnownHostsFile /dev/null
UpdateHostKeys no
ConnectTimeout 15
ServerAliveInterval 15
ServerAliveCountMax 4
ForwardAgent no
ClearAllForwardings yes
RequestTTY no
LogLevel ERROR
CONFIG
}

# on_host VERB: sends $scratch/sent and has on-host.sh do it there. All of it goes through stdin; on the host it is in a
# directory of mode 0700 for as long as that takes.
on_host() {
    cp -- "$here/on-host.sh" "$scratch/sent/on-host.sh"
    (cd "$scratch/sent" && sha256sum kit.tar.gz >kit.tar.gz.sha256)
    printf '%s\n' "verb=$1" "dry_run=$dry_run" "root=${SVRA_DESTDIR:-}" >"$scratch/sent/options"
    local code=0
    # The quotes are for the shell over there, whichever it is.
    # shellcheck disable=SC2016
    tar --create --directory "$scratch/sent" . | ssh -F "$scratch/config" qs-host 'sh -c '\''
        umask 077
        there=$(mktemp -d) || exit 1
        trap "rm -rf \"$there\"" EXIT
        trap "exit 143" HUP TERM
        tar --extract --directory "$there" --no-same-owner && bash "$there/on-host.sh"'\' || code=$?
    case $code in
        0) ;;
        255)
            echo "no connection: host, port, user and key are as set, or the host's key is not SVRA_HOST_KEY" >&2
            exit 1
            ;;
        *) exit 1 ;;
    esac
}
