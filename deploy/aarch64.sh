#!/usr/bin/env bash
# Builds darknode for 64-bit ARM (Raspberry Pi 3 and newer) on a PC, and runs its tests under emulation.
#
#     deploy/aarch64.sh         all steps
#     deploy/aarch64.sh build   the program: target/aarch64-unknown-linux-gnu/release/darknode
#     deploy/aarch64.sh core    the tests of encoding, records, seals and the core, in a build that needs no C
#     deploy/aarch64.sh nodes   the tests of whole nodes on loopback
#     deploy/aarch64.sh chat    the tests of the command line, which run natively and start the emulated program
#
# Requires Debian or Ubuntu on x86-64, and the standard library from rustup or from Debian's Rust. Installs a cross compiler
# and qemu. Everything else is created under target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=aarch64-unknown-linux-gnu
own=$PWD/target/aarch64

# Installs the Debian packages of missing commands.
packages() {
    local missing=() pair
    for pair in cc:build-essential aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu qemu-aarch64-static:qemu-user-static; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || missing+=(libc6-dev-arm64-cross)
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
        echo "install ${missing[*]} and run this again" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# The standard library for the target: from rustup, or else from Debian's newest Rust with its compiler.
standard_library() {
    local rustc
    rustc=${RUSTC:-$(command -v rustc)}
    if [ -e "$("$rustc" --print sysroot)/lib/rustlib/$target" ]; then
        return
    fi
    if command -v rustup >/dev/null && rustup target add "$target"; then
        return
    fi
    debian_rust
    export RUSTC=$own/rustc
}

# Debian's packages would conflict with installed ones, so they are unpacked instead of installed.
debian_rust() {
    [ ! -x "$own/rustc" ] || return 0
    echo "rustup has no standard library for $target: unpacking Debian's Rust"
    local apt=$own/apt root=$own/debian
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root"
    cat >"$apt/apt.conf" <<EOF
APT::Architectures { "amd64"; "arm64"; };
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
EOF
    export APT_CONFIG=$apt/apt.conf
    # A source without arm64 makes this fail although the others work.
    apt-get update || true
    local library compiler
    library=$(apt-cache depends libstd-rust-web-dev | sed -n 's/.*Depends: \(libstd-rust-web-[0-9].*\)/\1/p' | head -n 1)
    compiler=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances rustc-web | grep -oE '^(libllvm|libz3-)[0-9]+$' | sort -u)
    # shellcheck disable=SC2086 # several packages
    (cd "$apt" && apt-get download rustc-web $compiler \
        libstd-rust-web-dev "$library" libstd-rust-web-dev:arm64 "$library:arm64")
    local package
    for package in "$apt"/*.deb; do
        dpkg -x "$package" "$root"
    done
    unset APT_CONFIG
    local libraries=$root/usr/lib/x86_64-linux-gnu:$root/usr/lib
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$root/usr/bin/rustc" >"$own/rustc"
    chmod +x "$own/rustc"
}

emulator=(qemu-aarch64-static -L /usr/aarch64-linux-gnu)
program=target/$target/release/darknode

build() {
    cargo build --locked --release --target "$target"
}

core() {
    cargo test --locked --target "$target" --no-default-features --lib \
        --test core --test core_hostile --test records --test seal --test vectors --test wire
}

nodes() {
    cargo test --locked --target "$target" --test loopback_shell --test hostile --test store
}

chat() {
    [ -x "$program" ] || build
    printf '#!/bin/sh\nexec %s %s "$@"\n' "${emulator[*]}" "$PWD/$program" >"$own/darknode"
    chmod +x "$own/darknode"
    "$own/darknode" --version
    # The tests run natively and need the native compiler.
    env -u RUSTC DARKNODE_TEST_PROGRAM="$own/darknode" cargo test --locked --test cli --test kill
}

mkdir -p "$own"
packages
standard_library
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=${emulator[*]}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(build core nodes chat)
for part in "${parts[@]}"; do
    case $part in
    build | core | nodes | chat)
        began=$SECONDS
        printf '\n== %s\n' "$part"
        "$part"
        printf '== %s: %d s\n' "$part" $((SECONDS - began))
        ;;
    *)
        echo "deploy/aarch64.sh [build] [core] [nodes] [chat]" >&2
        exit 2
        ;;
    esac
done
