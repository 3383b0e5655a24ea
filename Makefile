# dealtrail. `make` alone explains the targets; those a person needs have a ## comment.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Debian packages: what the program and its tests need, and what tests of later depth and benchmarks add.
DEBIAN      := redis-server:redis-server chromium:chromium dovecot:dovecot-imapd
DEBIAN_TEST := gcc:gcc curl:curl openssl:openssl nginx:nginx wrk:wrk mbsync:isync clickhouse-server:clickhouse-server zkServer.sh:zookeeperd localc:libreoffice-calc pdftotext:poppler-utils
PATH := $(PATH):/usr/sbin:/sbin:/usr/share/zookeeper/bin

# Tools of `make check` and `make audit`, fetched as modules when they are first used.
STATICCHECK := v0.8.2
GOFUMPT     := v0.12.0
GOVULNCHECK := v1.8.0
# Not ST1000 and its neighbours: how texts are worded is the house style's business.
CHECKS      := all,-ST1000,-ST1003,-ST1005,-ST1016,-ST1020,-ST1021,-ST1022

VENDOR := dashboards/static/vendor
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

help: ## explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## run the main job on a made-up company, all on this machine (Ctrl-C stops it)
	bin/dealtrail demo $(DEMO)

test: deps-test ## run every test, browser and engine included; a skipped test fails
	go vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these files'; exit 1; }
	go test -count=1 -timeout 60m -v $(TESTFLAGS) ./... 2>&1 | awk -f .ci/count.awk

check: deps ## what a reviewer's tools say: vet, staticcheck, gofumpt
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) -checks '$(CHECKS)' ./...
	@out=$$(go run mvdan.cc/gofumpt@$(GOFUMPT) -l $$(git ls-files '*.go')); test -z "$$out" || { echo "$$out"; echo 'run make format'; exit 1; }

format: ## write Go files as gofumpt has them
	go run mvdan.cc/gofumpt@$(GOFUMPT) -w $$(git ls-files "*.go")

audit: deps ## licences, hashes of npm packages, and known weaknesses where their database can be reached
	go run ./cmd/audit
	@go mod verify
	@set +e; go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) ./cmd/dealtrail > .audit.log 2>&1; code=$$?; cat .audit.log; \
	if grep -q "^exit status 3$$" .audit.log; then rm .audit.log; echo 'govulncheck found weaknesses that the program reaches' >&2; exit 1; \
	elif [ $$code != 0 ]; then echo 'NOT CHECKED for known weaknesses: their database cannot be reached from here, or govulncheck failed; see above' >&2; fi; rm -f .audit.log

race: deps-test ## the tests under the race detector
	$(MAKE) test TESTFLAGS=-race

soak: deps-test ## the long tests: kills, outages and shared work under load, for some ten minutes
	DEALTRAIL_SOAK=1 go test -run '^Test(UpgradeLoses|EveryPromised|EveryRedirect|KnownLinks|ProcessesShare|RolesThatCannot|GarbageInAStream)' -count=1 -timeout 90m -v ./cmd/dealtrail
	DEALTRAIL_SOAK=1 go test -count=1 -timeout 25m -v ./attribution/lift

bench: build deps-test ## measure the pipe against its yardsticks and write docs/bench/pipe.md
	go run ./cmd/bench

bench-attribution: deps ## measure how long runs take and how that grows, and write docs/bench/attribution.md
	go run ./cmd/bench-attribution

bench-pages: build ## measure how long pages take with ten million events, and write docs/bench/pages.md
	go run ./cmd/bench-pages

bench-mail: deps-test ## measure how fast mailboxes are read, against mbsync, and write docs/bench/mailboxes.md
	go run ./cmd/bench-mail

fuzz: deps ## fuzz each parser for FUZZTIME (default 30s)
	for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz || true); do go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),30s) $$p; done; done

build: deps ## build bin/dealtrail
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/dealtrail ./cmd/dealtrail

release: build ## make dist/: a tarball and a Debian package with the engine, licences and a bill of materials
	rm -rf dist && go run ./cmd/audit -o dist/bundle -version $(VERSION)
	packaging/release.sh $(VERSION) bin/dealtrail node_modules/@chdb/lib-linux-x64-gnu/libchdb.so dist/bundle dist

run: build ## start on ./dealtrail.toml, which `bin/dealtrail init` writes
	bin/dealtrail serve

deps: debian node_modules/.package-lock.json assets modules ## install what is missing, by package name, and say what

deps-test: deps ## add what only tests and benchmarks need
	@$(MAKE) --no-print-directory debian DEBIAN='$(DEBIAN_TEST)'

clean: ## remove what was built and copied, keep what was installed
	rm -rf bin dist $(VENDOR)/*.js ingest/lists/*.txt ingest/track/lists/*.json ingest/track/lists/networks.txt

.PHONY: help demo test check format audit race release soak bench bench-attribution bench-pages bench-mail fuzz build run deps deps-test clean debian assets modules

debian:
	@missing=''; for pair in $(DEBIAN); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair#*:}"; done; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Debian packages:$$missing"; \
		apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null; \
	else \
		echo "these packages are missing; install them as root, then run make again:$$missing" >&2; exit 1; \
	fi

# The lockfile pins every npm package by an integrity hash; nothing of theirs is run.
node_modules/.package-lock.json: package.json package-lock.json
	@echo 'installing npm packages: the embedded engine (560 MB), charts, htmx and data lists'
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@test -e node_modules/@chdb/lib-linux-x64-gnu/libchdb.so || { echo 'libchdb, the embedded engine, exists for Linux on amd64; elsewhere set clickhouse.url to a ClickHouse server' >&2; exit 1; }
	@touch $@

assets: $(VENDOR)/echarts.common.min.js $(VENDOR)/htmx.min.js ingest/lists/freemail.txt ingest/track/lists/crawler-user-agents.json ingest/track/lists/networks.txt

$(VENDOR)/echarts.common.min.js: node_modules/.package-lock.json
	cp node_modules/echarts/dist/echarts.common.min.js $@ && touch $@

$(VENDOR)/htmx.min.js: node_modules/.package-lock.json
	cp node_modules/htmx.org/dist/htmx.min.js $@ && touch $@

ingest/lists/freemail.txt: node_modules/.package-lock.json
	node -p 'require("free-email-domains").join("\n")' > $@

ingest/track/lists/crawler-user-agents.json: node_modules/.package-lock.json
	cp node_modules/crawler-user-agents/crawler-user-agents.json $@ && touch $@

ingest/track/lists/networks.txt: node_modules/.package-lock.json ingest/track/lists/networks.js ingest/track/lists/asn.txt
	node ingest/track/lists/networks.js $@

# Modules are fetched here, so that building and testing need no network afterwards.
modules:
	@go mod download
