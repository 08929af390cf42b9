# The commands of this project. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help run test lint

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and serve on http://localhost:8080
	@tools/setup server
	cargo build --locked --release --bin claviger
	@exec "$${CARGO_TARGET_DIR:-target}/release/claviger" serve

test: ## Install what the tests need and run them all
	@tools/setup tests
	@tools/test

lint: ## Format, clippy, dependencies and documentation, warnings as errors
	@tools/setup lint
	@tools/lint
