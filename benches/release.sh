#!/usr/bin/env bash
# Builds the fastest edge there is: as one whole, laid out and inlined by what it does under load. It is built once
# to count what it does, serves the loads of the comparison (benches/compare) for a minute or two, and is built again
# with the counts.
#
# make release puts it into target/release-pgo/bifrost-edge; everything else that is made is in target/pgo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
work=$target/pgo
triple=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')

# Prints where llvm-profdata is, of the very LLVM that the compiler has: the format of counts changes with it.
profdata() {
    local of_rustup of_debian=llvm-profdata-$llvm
    of_rustup=$(rustc --print sysroot)/lib/rustlib/$triple/bin/llvm-profdata
    if [ ! -x "$of_rustup" ] && command -v rustup >/dev/null; then
        rustup component add llvm-tools >&2 || true
    fi
    if [ ! -x "$of_rustup" ] && ! command -v "$of_debian" >/dev/null &&
        command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "llvm-$llvm"; } >&2 || true
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
        cargo build --locked --profile release-pgo --target "$triple" --bin bifrost-edge
}

profdata=$(profdata)
built=$work/$triple/release-pgo/bifrost-edge
rm -rf "$work/counts"
mkdir -p "$work/counts" "$target/release-pgo"

echo "1 of 3: the edge that counts what it does"
build "-Cprofile-generate=$work/counts"
cp "$built" "$work/counting-edge"

echo "2 of 3: load"
CARGO_TARGET_DIR=$work python3 -B benches/compare --edge "$work/counting-edge" --let-end --proxies edge --rounds 1 \
    --seconds 3 --streams 200 --loads "discovery discovery-new discovery-tls discovery-h2 get get-10k post streams" \
    >"$work/load.log" || { cat "$work/load.log" >&2 && exit 1; }
"$profdata" merge -o "$work/merged.profdata" "$work/counts"

echo "3 of 3: the edge"
build "-Cprofile-use=$work/merged.profdata"
cp "$built" "$target/release-pgo/bifrost-edge"
echo "built: $target/release-pgo/bifrost-edge"
