#!/usr/bin/env bash
# Makes a Debian package of a program that was built: build.sh PROGRAM FOLDER [VERSION [OPTION...]]. The options are
# those of cargo-deb. Two packages of one program are
# the same to the byte: what a package has of time is the time of the commit.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: build.sh PROGRAM FOLDER [VERSION [OPTION...]]" >&2; exit 2; }
program=$(realpath "$1") folder=$(realpath --canonicalize-missing "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

.ci/tool.sh cargo-deb
version=${3:-$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["packages"][0]["version"])')-1}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# Cargo.toml says where each of these goes.
work=target/package
rm -rf "$work"
mkdir -p "$work/release"
conf/deploy/strip.sh "$program" "$work/release/bridgehead"
"$program" man "$work/man"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$work/completions.$shell"
done
sed -e 's|\$schema=proxy|$schema=/usr/share/bridgehead/proxy|' -e 's|conf/proxy.yaml|/etc/bridgehead/proxy.yaml|' \
    -e 's|which-bifrost.md|/usr/share/doc/bridgehead/which-bifrost.md|' conf/proxy.yaml >"$work/proxy.yaml"
python3 -B conf/deploy/sbom.py --copyright >"$work/copyright"
python3 -B conf/deploy/sbom.py --licences >"$work/licences.txt"
gzip --best --no-name <.github/CHANGELOG.md >"$work/changelog.gz"
maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
cat >"$work/changelog" <<EOF
bridgehead ($version) unstable; urgency=medium

  * What changed is in changelog.gz.

 -- $maintainer  $(LC_ALL=C date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
EOF

mkdir -p "$folder"
CARGO_TARGET_DIR=$PWD/$work target/tools/bin/cargo-deb deb --quiet --no-build --no-strip --locked --output "$folder" \
    --deb-version "$version" "${@:4}"
