#!/usr/bin/env bash
# Build the real Bifrost for the tests: build.sh. README.md says what it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build_dir=${BIFROST_BUILD_DIR:-$here/.build}

die() {
    echo "build.sh: $*" >&2
    exit 1
}

cd "$here"
wanted=$(awk '$1 == "go" { print $2 }' go.mod)
command -v go >/dev/null || die "Go is missing: install Go $wanted or newer as https://go.dev/doc/install says"

# Asked here, a Go from 1.21 on answers with the version that it would fetch for this module, if it may.
version=$(go env GOVERSION 2>/dev/null) && [ -n "$version" ] || version=$(go version | awk '{ print $3 }')
oldest=$(printf '%s\n' "$wanted" "${version#go}" | sort --version-sort | head -n 1)
[ "$oldest" = "$wanted" ] \
    || die "Go ${version#go} is too old: install Go $wanted or newer as https://go.dev/doc/install says"

# go.sum has the hash of every module: no database of hashes is asked. SQLite below it is C.
mkdir -p "$build_dir"
CGO_ENABLED=1 go build -mod=readonly -ldflags='-s -w' -o "$build_dir/bifrost" .
