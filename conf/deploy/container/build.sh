#!/usr/bin/env bash
# Makes an OCI image of a program that was built, as an archive, without a daemon: build.sh PROGRAM ARCHIVE. It is made
# from nothing: the program, the libraries that it is linked with, those that look up names, and the authorities that this
# system trusts. Two images of one program, made on one system, are the same to the byte.
set -euo pipefail
[ $# = 2 ] || { echo "usage: build.sh PROGRAM ARCHIVE" >&2; exit 2; }
program=$(realpath "$1") archive=$(realpath --canonicalize-missing "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

made=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

put() { # put FILE PLACE: with whatever it links to
    install -D --mode=755 "$(realpath "$1")" "$root$2"
}
mkdir -p "$root/etc/bridgehead" "$root/tmp"
conf/deploy/strip.sh "$program" "$root/usr/bin/bridgehead"
ldd "$program" | grep --only-matching '/[^ ]*' | while read -r library; do
    put "$library" "$library"
done
install -D --mode=644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'nonroot:x:65532:65532:nonroot:/:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
find "$root" -exec touch --no-dereference --date="@$made" {} +

# Neither a daemon nor a kernel that lets others mount: plain copies.
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
buildah() {
    command buildah --root "$work/storage" --runroot "$work/run" "$@"
}
container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" / >/dev/null
buildah config --user 65532:65532 --entrypoint '["/usr/bin/bridgehead"]' \
    --cmd 'run --config /etc/bridgehead/proxy.yaml' --port 8000 --port 8001 --stop-signal SIGTERM \
    --created-by bridgehead "$container"
mkdir -p "$(dirname "$archive")"
buildah commit --quiet --format oci --timestamp "$made" "$container" "oci:$work/image:bridgehead" >/dev/null
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$made" \
    --directory "$work/image" . >"$archive"
echo "$archive"
