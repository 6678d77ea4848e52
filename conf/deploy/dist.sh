#!/usr/bin/env bash
# Puts all that a release has into target/dist: dist.sh PROGRAM. Archive, Debian package, image, chart, what the program is
# built from, what changed, and the checksums of all. .github/RELEASING.md says what to do with it.
set -euo pipefail
[ $# = 1 ] || { echo "usage: dist.sh PROGRAM" >&2; exit 2; }
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
version=$("$program" --version | awk '{ print $2 }')
name=bridgehead-$version-$(uname --machine)-linux
dist=target/dist
rm -rf "$dist"
mkdir -p "$dist"

# What changed in this version, out of the changelog; what is not released yet, if the changelog does not have it.
notes() { # notes HEADING
    awk -v heading="## [$1]" 'index($0, heading) == 1 { found = 1; next } /^## \[/ { found = 0 } found' .github/CHANGELOG.md
}
notes "$version" >"$dist/RELEASE_NOTES.md"
[ -s "$dist/RELEASE_NOTES.md" ] || { echo "the changelog has nothing about $version" >&2; exit 1; }

python3 -B conf/deploy/sbom.py >"$dist/bridgehead-$version.cdx.json"
conf/deploy/debian/build.sh "$program" "$dist" >/dev/null
conf/deploy/container/build.sh "$program" "$dist/bridgehead-$version.oci.tar" >/dev/null

# The chart has the alerts and the dashboard themselves, where the tree has links.
pack() { # pack FOLDER ARCHIVE: the same to the byte each time
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" \
        --directory "$work" "$1" | gzip --best --no-name >"$2"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -rL conf/deploy/helm "$work/bridgehead"
target/tools/bin/helm package "$work/bridgehead" --destination "$work" >/dev/null
rm -r "$work/bridgehead"
tar --extract --gzip --file "$work/bridgehead-$version.tgz" --directory "$work"
pack bridgehead "$dist/bridgehead-$version.tgz"

# For those who install by hand: the program, what belongs to it, and the documents.
root=$work/$name
conf/deploy/strip.sh "$program" "$root/bin/bridgehead"
"$program" man "$root/share/man/man1"
for shell in bash zsh fish; do
    "$program" completions "$shell" >"$root/completions.$shell"
done
cp -r README.md conf .github/CHANGELOG.md "$root"
python3 -B conf/deploy/sbom.py --licences >"$root/licences.txt"
pack "$name" "$dist/$name.tar.gz"

(cd "$dist" && sha256sum -- * >SHA256SUMS)
ls "$dist"
