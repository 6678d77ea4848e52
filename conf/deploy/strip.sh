#!/usr/bin/env bash
# Copies a program without its symbols: strip.sh PROGRAM COPY. GNU strip breaks one that BOLT has laid out (make release),
# so LLVM's of the compiler comes first, and a copy that does not run is made anew as the program is.
set -euo pipefail
[ $# = 2 ] || { echo "usage: strip.sh PROGRAM COPY" >&2; exit 2; }

triple=$(rustc -vV | sed -n 's/^host: //p')
version=$("$1" --version)
mkdir -p "$(dirname "$2")"
for strip in "$(rustc --print sysroot)/lib/rustlib/$triple/bin/llvm-strip" strip; do
    command -v "$strip" >/dev/null || continue
    "$strip" -o "$2" "$1" 2>/dev/null || continue
    chmod 755 "$2"
    if [ "$("$2" --version 2>/dev/null)" = "$version" ]; then
        exit 0
    fi
done
echo "$1 keeps its symbols: rustup component add llvm-tools has what can take them" >&2
install --mode=755 "$1" "$2"
