# `make` lists what there is. Everything sets itself up; see CONTRIBUTING.md.

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long test-clients test-api autobahn swarm api fmt lint doc deny audit clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and testing needs (Debian packages, npm packages)
	@scripts/setup.sh test

run: ## build and start a hub with a demo on http://127.0.0.1:8080, needing no other service
	@scripts/setup.sh run
	cargo run --release --bin roomcast -- serve --dev --demo

test: setup ## all tests, with servers of their own on free ports
	@scripts/test.sh

test-long: setup ## all tests and those that take over a minute
	@scripts/test.sh long

test-clients: setup ## real clients alone (CLIENTS="node java": some of them)
	@scripts/clients.sh $(CLIENTS)

test-api: setup ## the HTTP API alone, called by its description
	@scripts/openapi.sh

autobahn: ## the Autobahn suite of websockets against the echo server; needs Python 2.7 (PYTHON2=...)
	@set -f; scripts/autobahn.sh $(CASES)

swarm: setup ## 1000 clients, 10 000 events through Redis: each once and in order
	@scripts/swarm.sh $(SWARM)

api: setup ## write docs/api anew from the types that are sent; tests hold it up to date
	ROOMCAST_WRITE_API=1 cargo test --quiet --lib up_to_date
	cd tests/clients && node types/make.mjs --write

chaos: setup ## breaks Redis and the hub under traffic, and checks what clients got (MINUTES=20: at length)
	@scripts/chaos.sh $(if $(MINUTES),--minutes $(MINUTES)) $(CHAOS)

fmt: ## format the code
	cargo fmt

lint: ## formatting and lints of both builds, as CI runs them
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --no-default-features --features server --all-targets -- -D warnings

doc: ## the documentation of the code, into target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

deny: ## licences, bans and sources of the dependencies (deny.toml)
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check licenses bans sources

audit: ## known advisories; needs the network for their database
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check advisories

clean: ## remove what was built and installed here
	cargo clean
	rm -rf tests/clients/node_modules tests/clients/python/.venv tests/clients/openapi/.venv tests/clients/java/build tests/clients/java/lib
	rm -rf roomcast.db roomcast.db-shm roomcast.db-wal roomcast.db-relay
