#!/usr/bin/env bash
# Runs the fuzz targets, all or those that are named, each for at most FUZZ_RUNS inputs and FUZZ_SECONDS seconds.
# Inputs that reach something new stay in found/, where the next run begins; so does one that fails.
#
#     tests/fuzz/run.sh                                              a short run of each target, as in CI
#     FUZZ_RUNS=10000000 FUZZ_SECONDS=0 tests/fuzz/run.sh heads      a long one, which has no limit of time
#     tests/fuzz/run.sh merge heads                                  after it: its best inputs become seeds
#
# `merge` puts into seeds/, of the small inputs in found/, the fewest that reach all places in the code which no seed
# has reached. So the next short run begins where the long one has ended.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Larger ones, in bytes, are no seeds.
SMALL=512

# Sets the options that a target always has.
options() {
    options=(-max_len=512)
    case "$1" in
    yaml) options=(-max_len=4096 -seed_inputs=../../conf/proxy.yaml) ;;
    # Whole connections, each of a few messages.
    exchange_*) options=(-max_len=1024) ;;
    esac
}

run() {
    local target="$1" log="found/$1.log" input
    options "$target"
    if RUST_BACKTRACE=0 "$programs/$target" "${options[@]}" -runs="${FUZZ_RUNS:-200000}" \
        -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -artifact_prefix="found/$target-" \
        "found/$target" "seeds/$target" >"$log" 2>&1; then
        sed -n "s/^Done \([0-9]*\) runs in \([0-9]*\) second.*/$target: \1 inputs in \2 s, all well/p" "$log"
    else
        input="$(sed -n 's/.*Test unit written to //p' "$log")"
        echo "$target: failed; once more with: $programs/$target tests/fuzz/$input"
        grep -aE -A2 'panicked at|ERROR: libFuzzer|^Base64' "$log" | sed 's/^/    /'
        return 1
    fi
}

merge() {
    local target="$1" log="found/$1.log" small before after
    options "$target"
    small="$(mktemp -d)"
    find "found/$target" -type f -size "-$((SMALL + 1))c" -exec cp -t "$small" {} +
    before="$(find "seeds/$target" -type f | wc -l)"
    # Places alone, not how often they are reached: that would be thousands of files.
    if ! RUST_BACKTRACE=0 "$programs/$target" "${options[@]}" -merge=1 -set_cover_merge=1 -use_counters=0 -timeout=10 \
        "seeds/$target" "$small" >"$log" 2>&1; then
        echo "$target: the inputs could not be merged: see tests/fuzz/$log"
        rm -r "$small"
        return 1
    fi
    rm -r "$small"
    after="$(find "seeds/$target" -type f | wc -l)"
    echo "$target: $((after - before)) inputs are seeds now, beside $before"
}

do=run
if [ "${1:-}" = merge ]; then
    do=merge
    shift
fi
if [ $# = 0 ]; then
    set -- seeds/*
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target/fuzz}"
RUSTC_WRAPPER="$PWD/rustc" cargo build --locked
programs="$CARGO_TARGET_DIR/debug"

failed=0
for target in "${@#seeds/}"; do
    mkdir -p "found/$target"
    "$do" "$target" || failed=1
done
exit "$failed"
