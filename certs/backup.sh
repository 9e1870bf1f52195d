#!/usr/bin/env bash
# Saves the keys of a data directory in one encrypted file, and restores them. Requires openssl 1.1.1 or newer, GNU tar and
# coreutils. The passphrase is read from the terminal or from the environment variable DARKNODE_BACKUP_PASSPHRASE.
set -euo pipefail
umask 077

usage() {
    echo "usage: backup.sh save DATA-DIR FILE" >&2
    echo "       backup.sh restore FILE DATA-DIR" >&2
    exit 2
}

die() {
    echo "$1" >&2
    exit 1
}

# 600,000 iterations: the OWASP recommendation for PBKDF2 with HMAC-SHA256 since 2023.
cipher=(openssl enc -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -salt)
if [ -n "${DARKNODE_BACKUP_PASSPHRASE:-}" ]; then
    cipher+=(-pass env:DARKNODE_BACKUP_PASSPHRASE)
fi
inspect=$(dirname "${BASH_SOURCE[0]}")/inspect.sh

save() {
    dir=$1 file=$2 files=(owner session.pem)
    [ ! -e "$file" ] || die "$file already exists; it was not overwritten"
    "$inspect" "$dir" > /dev/null || die "the keys in $dir are not complete; nothing was saved"
    [ ! -e "$dir/user.pem" ] || files+=(user.pem)
    # The file must not exist before, and is removed if anything fails.
    (set -o noclobber; : > "$file")
    trap 'rm -f -- "$file"' EXIT
    tar -C "$dir" -cf - -- "${files[@]}" | "${cipher[@]}" -e >> "$file"
    sync -- "$file"
    trap - EXIT
    echo "saved ${files[*]} in $file"
}

restore() {
    file=$1 dir=$2
    [ -f "$file" ] || die "$file is missing"
    for name in "$dir"/owner "$dir"/*.pem "$dir"/darknode.db*; do
        [ ! -e "$name" ] || die "$name already exists; restore into an empty directory"
    done
    mkdir -p -- "$dir"
    fresh=$(mktemp -d -- "$dir/restoring.XXXXXX")
    trap 'rm -rf -- "$fresh"' EXIT
    "${cipher[@]}" -d -in "$file" > "$fresh/tar" || die "$file cannot be opened: wrong passphrase, or damaged"
    # Only these files are extracted, whatever else the archive contains.
    tar -C "$fresh" -xf "$fresh/tar" owner session.pem 2> /dev/null || die "$file cannot be opened: wrong passphrase, or damaged"
    tar -C "$fresh" -xf "$fresh/tar" user.pem 2> /dev/null || true
    "$inspect" "$fresh" || die "the keys in $file are not complete; nothing was restored"
    chmod 700 -- "$dir"
    chmod 600 -- "$fresh/owner" "$fresh"/*.pem
    sync -- "$fresh/owner" "$fresh"/*.pem
    # The owner file is last: it marks the keys as complete.
    mv -n -- "$fresh"/*.pem "$dir/"
    mv -n -- "$fresh/owner" "$dir/"
    sync -- "$dir"
    echo "restored into $dir"
}

[ $# -eq 3 ] || usage
case $1 in
    save) save "$2" "$3" ;;
    restore) restore "$2" "$3" ;;
    *) usage ;;
esac
