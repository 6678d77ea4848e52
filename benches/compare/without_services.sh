#!/bin/sh
# Runs a command that may install packages, and keeps Debian from starting their services, now and at the next boot.
set -eu
policy=/usr/sbin/policy-rc.d
before="$(command -v nginx haproxy || true)"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
"$@"
if [ "$(id -u)" = 0 ] && command -v systemctl >/dev/null; then
    for service in nginx haproxy; do
        case "$before" in *"/$service"*) ;; *) systemctl --quiet disable "$service" 2>/dev/null || true ;; esac
    done
fi
