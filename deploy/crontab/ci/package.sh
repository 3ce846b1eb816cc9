#!/usr/bin/env bash
# Packs the kit into one archive, the same bytes for the same files, with its checksum beside it.
#
#   package.sh ARCHIVE.tar.gz
#
# Exit codes: 0 done · 1 failed · 2 misuse
set -euo pipefail

kit=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
archive=${1:-}
if [ $# != 1 ] || [[ $archive != *.tar.gz ]]; then
    echo "usage: package.sh ARCHIVE.tar.gz" >&2
    exit 2
fi

mkdir -p -- "$(dirname -- "$archive")"
(
    cd "$kit"
    shopt -s nullglob
    # What a host needs, and nothing that happens to lie there: no settings that somebody has filled in.
    tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX \
        -- *.sh *.cron *.logrotate scheduler.env.example README*.md
) | gzip --no-name >"$archive"
(cd "$(dirname -- "$archive")" && sha256sum -- "$(basename -- "$archive")") >"$archive.sha256"
tar --list --gzip --file "$archive"
cat -- "$archive.sha256"
