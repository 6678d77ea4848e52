#!/usr/bin/env bash
# Builds a tool that packages and checks need into target/tools/bin, once: tool.sh cargo-deb|cargo-deny|cargo-semver-checks|helm|
# otelcol. Each is of one version, from the registry of its language.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$PWD/target/tools

# crate NAME VERSION: without optimisation, it builds in a third of the time, and what it does here takes seconds.
crate() {
    [ "$("$folder/bin/$1" --version 2>/dev/null)" = "$1 $2" ] && return
    # Its folder is its own, so that it takes the profile and the lock file of nobody else.
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$folder/build" \
        cargo install --quiet --locked --debug --root "$folder" --version "$2" "$1"
    rm -rf "$folder/build"
}

# module NAME FOLDER PACKAGE: of the Go module in this folder.
module() {
    command -v go >/dev/null || { echo "$1 is built with Go: install it as https://go.dev/doc/install says" >&2; exit 1; }
    [ "$folder/bin/$1" -nt "$2/go.sum" ] && return
    mkdir -p "$folder/bin"
    # go.sum has the hash of every module.
    (cd "$2" && CGO_ENABLED=0 go build -mod=readonly -ldflags='-s -w' -o "$folder/bin/$1" "$3")
}

case ${1:-} in
    cargo-deb) crate cargo-deb 3.8.0 ;;
    cargo-deny) crate cargo-deny 0.20.2 ;;
    cargo-semver-checks) crate cargo-semver-checks 0.51.0 ;;
    # Each a minute and a half on two idle cores.
    helm) module helm tests/interop/packaging helm.sh/helm/v3/cmd/helm ;;
    otelcol) module otelcol tests/collector . ;;
    *)
        echo "usage: tool.sh cargo-deb|cargo-deny|cargo-semver-checks|helm|otelcol" >&2
        exit 2
        ;;
esac
