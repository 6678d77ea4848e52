#!/usr/bin/env bash
# Builds the fastest edge there is: as one whole, inlined and laid out by what it does under load. It is built once
# to count what it does, serves the loads of the comparison (benches/compare) for a minute or two, and is built again
# with the counts (profile-guided optimisation). That edge serves them, too, and its code is put into the order in
# which it ran (BOLT).
#
# make release puts it into target/release-pgo/bridgehead; everything else that is made is in target/pgo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
work=$target/pgo
triple=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')

# install PACKAGE: from Debian's packages, where that is possible.
install() {
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$1"; } >&2 || true
    fi
}

# Prints where llvm-profdata is, of the very LLVM that the compiler has: the format of counts changes with it.
profdata() {
    local of_rustup of_debian=llvm-profdata-$llvm
    of_rustup=$(rustc --print sysroot)/lib/rustlib/$triple/bin/llvm-profdata
    if [ ! -x "$of_rustup" ] && command -v rustup >/dev/null; then
        rustup component add llvm-tools >&2 || true
    fi
    if [ ! -x "$of_rustup" ] && ! command -v "$of_debian" >/dev/null; then
        install "llvm-$llvm"
    fi
    if [ -x "$of_rustup" ]; then
        echo "$of_rustup"
    elif ! command -v "$of_debian"; then
        echo "llvm-profdata of LLVM $llvm is missing. Type: rustup component add llvm-tools; or install what Debian" \
            "calls llvm-$llvm. cargo build --release does without." >&2
        return 1
    fi
}

# build FLAGS: prints where the edge is. --target keeps the flags away from what only runs while it is built.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $1" CARGO_TARGET_DIR=$work \
        cargo build --locked --profile release-pgo --target "$triple" --bin bridgehead
}

# load EDGE LOG: the loads of the comparison, served by an edge that counts what it does.
load() {
    CARGO_TARGET_DIR=$work python3 -B benches/compare --edge "$1" --let-end --proxies edge --rounds 1 --seconds 3 \
        --streams 200 --loads "discovery discovery-new discovery-tls discovery-h2 get get-10k post streams" \
        >"$2" || { cat "$2" >&2 && return 1; }
}

# bolt OPTION...: on the edge that was built last.
bolt() {
    "llvm-bolt-$llvm" "$built" "$@" >>"$work/layout/log" 2>&1 || { tail "$work/layout/log" >&2 && return 1; }
}

profdata=$(profdata)
command -v "llvm-bolt-$llvm" >/dev/null || install "bolt-$llvm"
built=$work/$triple/release-pgo/bridgehead
rm -rf "$work/counts" "$work/layout"
mkdir -p "$work/counts" "$work/layout" "$target/release-pgo"

echo "1 of 5: the edge that counts what it does"
build "-Cprofile-generate=$work/counts"
cp "$built" "$work/counting-edge"

echo "2 of 5: load"
load "$work/counting-edge" "$work/load.log"
"$profdata" merge -o "$work/merged.profdata" "$work/counts"

echo "3 of 5: the edge, inlined by these counts"
build "-Cprofile-use=$work/merged.profdata -Clink-arg=-Wl,--emit-relocs"

if command -v "llvm-bolt-$llvm" >/dev/null; then
    echo "4 of 5: load, once more"
    bolt -instrument -o "$work/layout/counting-edge" --instrumentation-file="$work/layout/counts" \
        --instrumentation-file-append-pid
    load "$work/layout/counting-edge" "$work/layout/load.log"
    "merge-fdata-$llvm" "$work"/layout/counts.*.fdata >"$work/layout/merged.fdata" 2>>"$work/layout/log"

    echo "5 of 5: the edge, laid out by that"
    bolt -o "$work/layout/bridgehead" -data="$work/layout/merged.fdata" -reorder-blocks=ext-tsp \
        -reorder-functions=cdsort -split-functions -split-all-cold -icf=1
    built=$work/layout/bridgehead
else
    echo "4 and 5 are left out: there is no llvm-bolt-$llvm, which Debian has in bolt-$llvm"
fi
cp "$built" "$target/release-pgo/bridgehead"
echo "built: $target/release-pgo/bridgehead"
