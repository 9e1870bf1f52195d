#!/usr/bin/env bash
# Shows whose data directory this is, and whether its key files are those its owner file names. Changes nothing, prints
# no secret. Needs openssl (1.1.1 or newer) and GNU coreutils.
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: inspect.sh DATA-DIR" >&2
    exit 2
fi
dir=$1
if [ ! -f "$dir/owner" ]; then
    echo "$dir/owner is missing: no identity was completed here" >&2
    exit 1
fi

# The id of a key: its 32 public bytes, the last of the DER form, in lower-case base32 without padding.
id_of() {
    openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | base32 -w 0 | tr -d = | tr '[:upper:]' '[:lower:]'
}

# An encrypted key is none of ours; the empty passphrase keeps openssl from asking for one.
is_ed25519() {
    local text
    text=$(openssl pkey -in "$1" -passin pass: -noout -text 2> /dev/null) || return 1
    [[ $text == "ED25519 Private-Key"* ]]
}

said_of() {
    sed -n "s/^$1 //p" "$dir/owner"
}

bad=0
check() {
    local kind=$1 file=$dir/$1.pem said
    said=$(said_of "$kind")
    if [ ! -e "$file" ] && [ "$kind" = user ] && [ "$(said_of user-key)" = no ]; then
        echo "user     $said (its key is on another session)"
        return
    fi
    if [ ! -e "$file" ]; then
        echo "$file is missing; owner says $said" >&2
        bad=1
    elif ! is_ed25519 "$file"; then
        echo "$file holds no Ed25519 key" >&2
        bad=1
    elif [ "$(id_of "$file")" != "$said" ]; then
        echo "$file holds the key $(id_of "$file"), but owner says $said" >&2
        bad=1
    else
        printf '%-8s %s\n' "$kind" "$said"
    fi
}

printf '%-8s %s\n' name "$(said_of name)"
check user
check session
exit $bad
