#!/usr/bin/env bash
# Runs a step for so many minutes at most, and names the tests that were still running: .ci/within.sh MINUTES COMMAND...
#
# Its output goes through a file, not a pipe: what a test leaves behind may hold a pipe open for ever.
set -euo pipefail

minutes=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

timeout --kill-after=10 "${minutes}m" "$@" >"$log" 2>&1 </dev/null &
step=$!
tail --pid="$step" --lines=+1 --follow "$log" &
code=0
wait "$step" || code=$?
wait

if [ "$code" = 124 ] || [ "$code" = 137 ]; then
    echo "not done within $minutes minutes: $*"
    # The test runner speaks of those that take long, and of all that end.
    sed -n 's/^test \(.*\) has been running for over .*/\1/p' "$log" | while read -r test; do
        grep -qF "test $test ... " "$log" || echo "still running: $test"
    done
fi
exit "$code"
