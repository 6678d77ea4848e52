#!/usr/bin/env bash
# Install the interop clients: setup.sh [CLIENT...], all of them by default.
# A second run does nothing until a lock file or a tool's version changes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
env_dir=${INTEROP_ENV_DIR:-$here/.env}
mkdir -p "$env_dir"
env_dir=$(cd "$env_dir" && pwd)

die() {
    echo "setup.sh: $*" >&2
    exit 1
}

need() { # need COMMAND WHAT_TO_INSTALL
    command -v "$1" >/dev/null || die "$1 not found: install $2"
}

digest() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

need_python() {
    need python3 "Python 3.11 or newer"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || die "$(python3 --version) is too old: install Python 3.11 or newer"
    python3 -c 'import ensurepip, venv' 2>/dev/null \
        || die "python3 has no venv module: install it (Debian: python3-venv)"
}

need_node() {
    need node "Node.js 20 or newer"
    need npm "npm (it comes with Node.js)"
    [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] \
        || die "Node.js $(node --version) is too old: install Node.js 20 or newer"
}

# The functions below run inside the client's folder.

install_python() { # install_python CLIENT
    python3 -m venv --clear "$env_dir/$1"
    # The lock file names every package, so pip has nothing to resolve.
    "$env_dir/$1/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --requirement requirements.txt
    "$env_dir/$1/bin/python" -m pip --disable-pip-version-check check >/dev/null
}

install_node() {
    npm ci --no-audit --no-fund --loglevel=error >/dev/null
}

install_rust() {
    # The dev profile: it builds sooner, and one login needs no speed.
    cargo build --quiet --locked --target-dir "$env_dir/rmcp-target"
}

install_java() {
    rm -rf "$env_dir/java"
    mvn --quiet --batch-mode --file pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$env_dir/java"
}

setup() {
    local client=$1 kind product version
    local -a sources
    cd "$here/$client" 2>/dev/null || die "no client named $client"
    case $client in
        python-v1 | python-v2 | tls-scanner | packaging)
            need_python
            kind=python product=$env_dir/$client/bin/python version=$(python3 --version)
            sources=(requirements.txt)
            ;;
        node-v1 | node-v2)
            need_node
            kind=node product=node_modules version=$(node --version)
            sources=(package.json package-lock.json)
            ;;
        rust-rmcp)
            need cargo "Rust 1.88 or newer (https://rustup.rs)"
            kind=rust product=$env_dir/rmcp-target/debug/interop-rust-rmcp version=$(cargo --version)
            sources=(Cargo.toml Cargo.lock src/*.rs)
            ;;
        java)
            if ! command -v java >/dev/null; then
                echo "java: left out, there is no JDK"
                return
            fi
            need mvn Maven
            kind=java product=$env_dir/java version=$(java --version)
            sources=(pom.xml)
            ;;
        *) die "no client named $client" ;;
    esac

    local stamp=$env_dir/$client.stamp key
    key=$( (echo "$version" && cat "${sources[@]}") | digest)
    if [ -e "$product" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
        echo "$client: ready"
        return
    fi
    echo "$client: installing"
    rm -f "$stamp"
    "install_$kind" "$client"
    echo "$key" >"$stamp"
}

[ $# -gt 0 ] || set -- python-v1 python-v2 node-v1 node-v2 rust-rmcp java tls-scanner packaging
for client in "$@"; do
    setup "$client"
done
