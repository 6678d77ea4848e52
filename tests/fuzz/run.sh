#!/usr/bin/env bash
# Runs each fuzz target for at most FUZZ_RUNS inputs and FUZZ_SECONDS seconds. Inputs that reach something new stay
# in found/, where the next run begins; so does one that fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target/fuzz}"
RUSTC_WRAPPER="$PWD/rustc" cargo build --locked

failed=0
for seeds in seeds/*; do
    target="${seeds#seeds/}"
    program="$CARGO_TARGET_DIR/debug/$target"
    log="found/$target.log"
    options=(-max_len=512)
    case "$target" in
    yaml) options=(-max_len=4096 -seed_inputs=../../conf/proxy.yaml) ;;
    # Whole connections, each of a few messages.
    exchange_*) options=(-max_len=1024) ;;
    esac
    mkdir -p "found/$target"
    if RUST_BACKTRACE=0 "$program" "${options[@]}" -runs="${FUZZ_RUNS:-200000}" -max_total_time="${FUZZ_SECONDS:-20}" \
        -timeout=10 -artifact_prefix="found/$target-" "found/$target" "$seeds" >"$log" 2>&1; then
        sed -n "s/^Done \([0-9]*\) runs in \([0-9]*\) second.*/$target: \1 inputs in \2 s, all well/p" "$log"
    else
        failed=1
        input="$(sed -n 's/.*Test unit written to //p' "$log")"
        echo "$target: failed; once more with: $program tests/fuzz/$input"
        grep -aE -A2 'panicked at|ERROR: libFuzzer|^Base64' "$log" | sed 's/^/    /'
    fi
done
exit "$failed"
