#!/usr/bin/env bash
# Renders the plain manifests of conf/deploy/kubernetes from the chart: render.sh [FOLDER].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PWD/../../../target/tools/bin:$PATH
folder=${1:-../kubernetes}

for name in configmap deployment horizontalpodautoscaler networkpolicy poddisruptionbudget service servicemonitor; do
    # Helm begins each with its own two lines, and ends lines in blanks where a value is empty.
    helm template bridgehead . --kube-version 1.34.0 --values examples/plain.yaml --show-only "templates/$name.yaml" 2> >(grep -v "found symbolic link" >&2) |
        sed -e '/^# Source: /d' -e '1{/^---$/d}' -e 's/ *$//' >"$folder/$name.yaml"
done
