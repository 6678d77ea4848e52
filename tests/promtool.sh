#!/usr/bin/env bash
# Fetches promtool, Prometheus's own checker, from Debian's package prometheus into target/promtool. The package is
# not installed: that would start a server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=target/promtool
[ -x "$folder/usr/bin/promtool" ] && exit
command -v apt-get >/dev/null || { echo "missing: install promtool, which comes with Prometheus"; exit 1; }
if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
elif ! apt-cache show prometheus >/dev/null 2>&1; then
    echo "missing: promtool. Type: sudo apt-get update, and try again"
    exit 1
fi
mkdir -p "$folder"
new=$(mktemp -d "$folder/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
# apt-get, as root, drops its rights for the download, and says so where the folder is not open to all.
(cd "$new" && apt-get download -qq prometheus 2>error || { cat error; exit 1; })
dpkg-deb --fsys-tarfile "$new"/prometheus_*.deb | tar -x -C "$new" ./usr/bin/promtool
mkdir -p "$folder/usr/bin"
mv "$new/usr/bin/promtool" "$folder/usr/bin/promtool"
