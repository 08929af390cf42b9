# The commands of this project. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help run demo test lint bench schema

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and serve on http://localhost:8080
	@tools/setup server
	cargo build --locked --release --bin claviger
	@exec "$${CARGO_TARGET_DIR:-target}/release/claviger" serve

demo: ## The same, with a third-party app on http://127.0.0.1:9090
	@tools/setup server
	cargo build --locked --release --bin claviger --example demo-app
	@exec tools/demo

test: ## Install what the tests need and run them all
	@tools/setup tests
	@tools/test

lint: ## Format, clippy, dependencies and documentation, warnings as errors
	@tools/setup lint
	@tools/lint

bench: ## Measure the server against the limits of this machine, into docs/performance.md
	@tools/setup server
	cargo bench --locked --bench server

schema: ## Write src/db/schema.rs and docs/configuration.md anew, from the migrations and the code
	@tools/setup tests
	CLAVIGER_WRITE_SCHEMA=1 CLAVIGER_WRITE_DOCS=1 cargo test --locked --test it -- schema:: the_configuration_is_printed
