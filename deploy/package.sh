#!/usr/bin/env bash
# Builds the Debian package target/package/darknode_VERSION_ARCHITECTURE.deb.
#
#     deploy/package.sh                  for this machine; builds the program
#     deploy/package.sh arm64            for 64-bit ARM; deploy/aarch64.sh builds the program
#     deploy/package.sh program FILE     from a program for this machine that is already built
#
# Requires Debian or Ubuntu. Installs debhelper if it is missing. Everything else is created under target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages() {
    command -v dh >/dev/null && command -v dpkg-buildpackage >/dev/null && return
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
        echo "install build-essential and debhelper and run this again" >&2
        return 1
    fi
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        build-essential debhelper
}

architecture=$(dpkg --print-architecture)
# Runs a program for the architecture: it prints its own manual page and completions.
run=()
case ${1:-} in
'')
    cargo build --locked --release
    program=target/release/darknode
    ;;
arm64)
    deploy/aarch64.sh build
    architecture=arm64
    run=(qemu-aarch64-static -L /usr/aarch64-linux-gnu)
    program=target/aarch64-unknown-linux-gnu/release/darknode
    ;;
program)
    program=$2
    ;;
*)
    echo "deploy/package.sh [arm64 | program FILE]" >&2
    exit 2
    ;;
esac

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if ! head -n 1 deploy/debian/changelog | grep -qF "($version)"; then
    echo "deploy/debian/changelog has no entry for $version" >&2
    exit 1
fi
packages

# debhelper needs its files next to what it packages, and writes the package to the parent directory.
mkdir -p target/package
exec {alone}>target/package/lock
flock "$alone"
stage=$PWD/target/package/$architecture/darknode
rm -rf "$(dirname "$stage")"
mkdir -p "$stage/doc"
cp -r deploy/debian "$stage/debian"
cp deploy/darknode.service "$stage/debian/"
cp "$program" "$stage/darknode"
"${run[@]}" "$stage/darknode" man >"$stage/darknode.1"
mkdir -p "$stage/completions"
for pair in bash:darknode zsh:_darknode fish:darknode.fish; do
    "${run[@]}" "$stage/darknode" completions "${pair%%:*}" >"$stage/completions/${pair##*:}"
done
cp README.md CHANGELOG.md docs/json.md "$stage/doc/"
# The pages on servers, the Pi and keys refer to each other, and to the scripts, under the names that they have in the package.
pages=(-e 's#\[pi\.md\](pi\.md)#[PI.md](PI.md)#g' -e 's#\[README\.md\](README\.md\#\([a-z-]*\))#[SERVER.md](SERVER.md\#\1)#g'
    -e 's#\[\.\./certs/README\.md\](\.\./certs/README\.md)#[KEYS.md](KEYS.md)#g'
    -e 's#certs/\(inspect\|backup\)\.sh#/usr/share/doc/darknode/examples/\1.sh#g'
    -e 's#\[monitoring/\](monitoring)#/usr/share/doc/darknode/examples#' -e 's#monitoring/#/usr/share/doc/darknode/examples/#g')
sed "${pages[@]}" deploy/README.md >"$stage/doc/SERVER.md"
sed "${pages[@]}" deploy/pi.md >"$stage/doc/PI.md"
sed "${pages[@]}" certs/README.md >"$stage/doc/KEYS.md"
mkdir "$stage/examples"
cp certs/inspect.sh certs/backup.sh deploy/monitoring/* "$stage/examples/"
(cd "$stage" && dpkg-buildpackage --host-arch "$architecture" -b -uc -us -d)
# Renamed atomically, so that a process that reads the previous package is not disturbed.
mv -f "$stage"/../*.deb target/package/
