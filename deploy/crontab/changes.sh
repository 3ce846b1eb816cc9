# shellcheck shell=bash
# Changes to files that are all taken back unless the script that made them gets to its end. Read by install.sh and
# uninstall.sh, which set $dry_run and $root (what stands before every path).

# Both may be empty, neither may be forgotten.
root=${root?} dry_run=${dry_run?}
journal=()
kept=

begin_changes() {
    kept=$(mktemp -d)
    trap 'finish_changes $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# finish_changes CODE: everything stays, or nothing does.
finish_changes() {
    local code=$1 at action path
    trap - EXIT INT TERM HUP
    if [ "$code" != 0 ] && [ ${#journal[@]} -gt 0 ]; then
        for ((at = ${#journal[@]} - 1; at >= 0; at--)); do
            action=${journal[at]%% *} path=${journal[at]#* }
            case $action in
                made) rm -f -- "$path" ;;
                directory) rmdir -- "$path" 2>/dev/null ;;
                changed) cp -a -- "$kept/$at" "$path.rollback" && mv -fT -- "$path.rollback" "$path" ;;
            esac || echo "could not be taken back: $path" >&2
        done
        echo "failed; what had been changed is as it was" >&2
    fi
    rm -rf -- "$kept"
    exit "$code"
}

# say WHAT PATH
say() {
    printf '%-10s %s\n' "$1" "$2"
}

# keep PATH: the file can be put back as it is now.
keep() {
    cp -a -- "$1" "$kept/${#journal[@]}"
    journal+=("changed $1")
}

# put_directory MODE PATH: makes it where there is none; one that is there keeps its mode and owner.
put_directory() {
    local path=$root$2 above
    if [ -d "$path" ]; then
        say unchanged "$path"
        return
    fi
    say create "$path"
    [ -z "$dry_run" ] || return 0
    above=$(dirname -- "$path")
    [ -d "$above" ] || put_parents "$above"
    mkdir -m "$1" -- "$path"
    journal+=("directory $path")
}

put_parents() {
    [ -d "$1" ] && return
    put_parents "$(dirname -- "$1")"
    mkdir -m 755 -- "$1"
    journal+=("directory $1")
}

# put_file MODE SOURCE PATH: the file is there with this content and mode, replaced as a whole.
put_file() {
    local mode=$1 source=$2 path=$root$3 new
    if [ -f "$path" ] && [ ! -L "$path" ] && cmp -s -- "$source" "$path" && [ "0$(stat -c %a "$path")" = "$mode" ]; then
        say unchanged "$path"
        return
    fi
    if [ -e "$path" ] || [ -L "$path" ]; then say replace "$path"; else say create "$path"; fi
    [ -z "$dry_run" ] || return 0
    put_parents "$(dirname -- "$path")"
    # The dot keeps cron and logrotate from taking it for one of theirs.
    new=$(dirname -- "$path")/.$(basename -- "$path").new
    install -m "$mode" -- "$source" "$new" || {
        rm -f -- "$new"
        return 1
    }
    if [ -e "$path" ] || [ -L "$path" ]; then keep "$path"; else journal+=("made $path"); fi
    mv -fT -- "$new" "$path"
}

# drop_file PATH: the file is not there.
drop_file() {
    local path=$root$1
    if ! [ -e "$path" ] && ! [ -L "$path" ]; then
        say absent "$path"
        return
    fi
    say remove "$path"
    [ -z "$dry_run" ] || return 0
    keep "$path"
    rm -- "$path"
}

# drop_directory PATH: the directory is not there, unless somebody has put something into it.
drop_directory() {
    local path=$root$1
    [ -d "$path" ] || return 0
    say remove "$path"
    [ -z "$dry_run" ] || return 0
    rmdir --ignore-fail-on-non-empty -- "$path"
}
