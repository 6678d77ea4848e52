# From a fresh machine: `make run` starts the edge, `make test` runs every test.

CONFIG ?= conf/proxy.yaml

.PHONY: run test test-bifrost check schema bench bench-check bench-compare bench-short bench-scaling release fuzz
.PHONY: prerequisites deb package-prerequisites manifests deny semver sbom image image-prerequisites dist
.PHONY: test-prerequisites compare-prerequisites compared-proxies

run: prerequisites
	cargo run --release --locked -- run --config $(CONFIG)

# All tests, and all that they need. With `cargo test` alone, those whose tools are missing say so and are skipped. With
# EVERY_TEST=yes, as in .ci/run, one that is skipped is a failure. Only Go is nothing that this installs: without it, the
# tests with the real Bifrost and those of the Helm chart are skipped.
test: prerequisites test-prerequisites
	tests/interop/setup.sh
	cargo test --locked
	cargo test --locked --no-default-features
	@if command -v go >/dev/null; then \
		$(MAKE) --no-print-directory test-bifrost; \
	else \
		echo "skipped: the tests with the real Bifrost (make test-bifrost), because Go is missing"; \
		[ -z "$$EVERY_TEST" ]; \
	fi

# The edge in front of the real Bifrost, which is built here. It listens on loopback addresses only.
test-bifrost: prerequisites
	tests/bifrost/build.sh
	@$(call need,openssl:openssl stunnel:stunnel4 curl:curl python3:python3 node:nodejs npm:npm)
	tests/interop/setup.sh python-v1 python-v2 node-v1 node-v2
	cargo test --locked --test bifrost -- --skip support::

# What continuous integration asks besides the tests.
check: prerequisites
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo clippy --locked --test bifrost -- --deny warnings
	cargo clippy --locked --no-default-features --features edge -- --deny warnings
	cargo clippy --locked --no-default-features --lib --examples -- --deny warnings
	cd benches/compare/load && cargo fmt --check && cargo clippy --locked --target-dir $(COMPARED) -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --document-private-items
	cargo run --locked -- check --config $(CONFIG)
	$(MAKE) --no-print-directory deny
	.ci/rust-version.sh

# Whether the library's public interface has broken since the baseline, a commit or a tag. Of the features, what embedders
# build.
semver: prerequisites
	.ci/tool.sh cargo-semver-checks
	for features in "" edge; do \
		target/tools/bin/cargo-semver-checks semver-checks --only-explicit-features --features "$$features" \
			--baseline-rev "$$(cat .github/semver-baseline)" || exit 1; \
	done

# Licences, duplicates and sources of all packages; and known vulnerabilities, where their database can be reached.
deny: prerequisites
	@.ci/tool.sh cargo-deny
	$(DENY) --offline check licenses bans sources
	@if $(DENY) fetch db 2>/dev/null; then $(DENY) --offline check advisories; \
	else echo "skipped: known vulnerabilities, because the database of RustSec cannot be reached"; fi

DENY = target/tools/bin/cargo-deny --locked --config .github/deny.toml

# What the program is built from, as CycloneDX.
sbom:
	@$(call need,python3:python3)
	@mkdir -p target/dist
	python3 -B conf/deploy/sbom.py >target/dist/bridgehead.cdx.json

# What editors complete and check the configuration with, made anew from the types of its keys.
schema: prerequisites
	cargo build --quiet --locked
	cargo run --quiet --locked -- schema >conf/proxy.schema.json.new
	mv conf/proxy.schema.json.new conf/proxy.schema.json

bench: prerequisites
	cargo bench --locked

# Proves that every bench runs; measures nothing.
bench-check: prerequisites
	cargo test --locked --benches -- --test

# The fastest edge there is, as target/release-pgo/bridgehead: two builds and a minute of load, installing what
# that needs. `cargo build --release` does without.
release: prerequisites
	@$(call need,wrk:wrk h2load:nghttp2-client openssl:openssl python3:python3)
	benches/release.sh

# A Debian package below target/debian, of the fastest edge there is, or of one that was built already:
# make deb PROGRAM=target/release/bridgehead
deb: package-prerequisites $(if $(PROGRAM),,release)
	rm -rf target/debian
	conf/deploy/debian/build.sh $(or $(PROGRAM),$(FASTEST)) target/debian
	lintian --allow-root --fail-on error target/debian/*.deb

# An image as target/dist/bridgehead.oci.tar, made without a daemon; of what is as for deb. To run it:
# podman load --input target/dist/bridgehead.oci.tar
image: image-prerequisites $(if $(PROGRAM),,release)
	conf/deploy/container/build.sh $(or $(PROGRAM),$(FASTEST)) target/dist/bridgehead.oci.tar

image-prerequisites:
	@$(call need,buildah:buildah strip:binutils)
	@[ -e /etc/ssl/certs/ca-certificates.crt ] || { $(call install,ca-certificates); }

# The plain manifests, made anew from the chart.
manifests:
	.ci/tool.sh helm
	conf/deploy/helm/render.sh

FASTEST = $(or $(CARGO_TARGET_DIR),target)/release-pgo/bridgehead

# Side by side with nginx, HAProxy and Caddy: benches/compare/README.md. For example:
# make bench-compare EDGE=target/release/bridgehead ROUNDS=5 SECONDS=3 LOADS=discovery,get PROXIES=edge,nginx
bench-compare: prerequisites compare-prerequisites
	@$(COMPARE) $(if $(EDGE),--edge $(EDGE)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(BUILD),--build $(BUILD)) $(if $(LOADS),--loads $(LOADS)) $(if $(PROXIES),--proxies $(PROXIES)) $(OPTIONS)

# How the cost of the edge and of nginx grows with workers, connections, servers, bodies and slow clients.
bench-scaling: prerequisites compare-prerequisites
	@$(COMPARE) --scaling $(if $(EDGE),--edge $(EDGE)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(PROXIES),--proxies $(PROXIES))

# That the comparison runs, in about two minutes; its figures mean nothing.
bench-short: prerequisites compare-prerequisites
	@$(COMPARE) $(if $(EDGE),--edge $(EDGE)) --rounds 1 --seconds 1 --streams 200 --idle 1000 --reloaded 10000

# Debian keeps servers where only root looks.
bench-compare bench-short bench-scaling compared-proxies: export PATH := $(PATH):/usr/sbin
COMPARE = python3 -B benches/compare
COMPARED = $(abspath $(or $(CARGO_TARGET_DIR),target))/compare

# Fuzzes each parser of the project's own, and whole exchanges in both directions, for a minute or two in all. A long
# run, without a limit of time, of which tests/fuzz/run.sh says more:
# make fuzz FUZZ_RUNS=10000000 FUZZ_SECONDS=0
fuzz: prerequisites
	@$(call need,g++:g++)
	tests/fuzz/run.sh

# Libraries below Pingora are written in C: they need a compiler and cmake.
prerequisites:
	@command -v cargo >/dev/null || { echo "Rust is missing: install it as https://rustup.rs says"; exit 1; }
	@$(call need,cc:gcc make:make cmake:cmake)

# The tests also need the languages of the MCP clients, a TLS terminator, and clients of TLS.
test-prerequisites:
	@command -v promtool >/dev/null || tests/promtool.sh
	@$(call need,systemd-analyze:systemd openssl:openssl stunnel:stunnel4 curl:curl chromium:chromium python3:python3 node:nodejs npm:npm java:default-jdk-headless mvn:maven git:git)
	@python3 -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv); }
	@if command -v go >/dev/null; then .ci/tool.sh helm; .ci/tool.sh otelcol; fi
	@if command -v dpkg >/dev/null; then $(MAKE) --no-print-directory package-prerequisites image-prerequisites; fi

# What packages are made and looked at with.
package-prerequisites: prerequisites
	@$(call need,dpkg-shlibdeps:dpkg-dev lintian:lintian python3:python3)
	@.ci/tool.sh cargo-deb

# All that a release has, in target/dist; nothing is published. .github/RELEASING.md says the steps.
dist: package-prerequisites image-prerequisites $(if $(PROGRAM),,release)
	@.ci/tool.sh helm
	conf/deploy/dist.sh $(or $(PROGRAM),$(FASTEST))

# What the comparison measures, and measures with; Caddy comes from PyPI when it runs.
compare-prerequisites:
	@$(call need,wrk:wrk h2load:nghttp2-client openssl:openssl python3:python3)
	@python3 -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv); }
	@benches/compare/without_services.sh $(MAKE) --no-print-directory compared-proxies

compared-proxies:
	@$(call need,nginx:nginx haproxy:haproxy)

# $(call need,PROGRAM:DEBIAN_PACKAGE ...): makes sure that every program is there.
define need
missing=""; \
for pair in $(1); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
[ -z "$$missing" ] || { $(call install,$$missing); }
endef

# $(call install,DEBIAN_PACKAGE ...): installs on Debian as root, elsewhere says what to type.
define install
if ! command -v apt-get >/dev/null; then \
	echo "missing: install what Debian calls" $(1) "with this system's package manager"; exit 1; \
elif [ "$$(id -u)" != 0 ]; then \
	echo "missing. Type: sudo apt-get install -y" $(1); exit 1; \
else \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1); \
fi
endef
