#!/usr/bin/env bash
# Proves the rust-version of Cargo.toml: has the program checked by that very compiler, where it can be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! command -v rustup >/dev/null || ! rustup toolchain install "$oldest" --profile minimal --no-self-update >/dev/null 2>&1; then
    echo "skipped: a build with Rust $oldest, because it cannot be had here"
    exit 0
fi
CARGO_TARGET_DIR=target/rust-version cargo "+$oldest" check --quiet --locked --bins
echo "Rust $oldest builds it"
