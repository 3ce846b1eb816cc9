#!/bin/sh
# Makes what compose.yaml mounts as secrets, each once: what is there stays as it is.
#
#   deploy/docker/make-secrets.sh [DIRECTORY]     # ./secrets
#
# The directory is closed to others. The files in it are not, since each is read by the user of the container it is
# mounted into, which none of this machine's users is.
set -eu
umask 022
directory=${1:-secrets}
mkdir -p -m 700 "$directory"
cd "$directory"

# random: 32 bytes, as letters that need no quoting in an address.
random() {
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# keep NAME CONTENT
keep() {
    [ -e "$1" ] || printf '%s\n' "$2" >"$1"
}

keep secret_key "k1:$(random)"
keep admin_password "$(random)"
keep postgres_password "$(random)"
keep database_url "postgresql://qs_service:$(random)@postgres:5432/qs"
keep migration_database_url "postgresql://qs_migration:$(random)@postgres:5432/qs"
if ! [ -e redis.conf ]; then
    password=$(random)
    printf 'requirepass %s\nappendonly yes\n' "$password" >redis.conf
    printf 'redis://:%s@redis:6379/0\n' "$password" >redis_url
fi
