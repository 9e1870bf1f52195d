#!/usr/bin/env bash
# Shows the identity in a data directory, and checks its key files against its owner file. Changes nothing and prints no
# secret. Requires openssl 1.1.1 or newer and GNU coreutils.
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

# The id of a key: its 32 public bytes, which end the DER form, in lower-case base32 without padding.
id_of() {
    openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | base32 -w 0 | tr -d = | tr '[:upper:]' '[:lower:]'
}

# Keys of darknode are not encrypted. The empty passphrase keeps openssl from asking for one.
is_ed25519() {
    local text
    text=$(openssl pkey -in "$1" -passin pass: -noout -text 2> /dev/null) || return 1
    [[ $text == "ED25519 Private-Key"* ]]
}

recorded() {
    sed -n "s/^$1 //p" "$dir/owner"
}

bad=0
check() {
    local kind=$1 file=$dir/$1.pem expected
    expected=$(recorded "$kind")
    if [ ! -e "$file" ] && [ "$kind" = user ] && [ "$(recorded user-key)" = no ]; then
        echo "user     $expected (its key is on another session)"
        return
    fi
    if [ ! -e "$file" ]; then
        echo "$file is missing; owner names $expected" >&2
        bad=1
    elif ! is_ed25519 "$file"; then
        echo "$file does not contain an Ed25519 key" >&2
        bad=1
    elif [ "$(id_of "$file")" != "$expected" ]; then
        echo "$file contains the key $(id_of "$file"), but owner names $expected" >&2
        bad=1
    else
        printf '%-8s %s\n' "$kind" "$expected"
    fi
}

printf '%-8s %s\n' name "$(recorded name)"
check user
check session
exit $bad
