# What can be done here; `make help` lists it. The work is in Go: this file only names it.
# Nothing but git, make, CA certificates and Go need be there before: what else a target
# needs it installs with apt, if it may, and says so.

GO      ?= go
NODES   ?= 3
GROWTH  ?= on
BUILD   := build
STATIC  := CGO_ENABLED=0 $(GO) build -trimpath
# The newest staticcheck that knows the Go of go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

NODETEST := $(GO) test -tags nodes -p 1 -count=1 -timeout 60m -v
LONG     := '^(TestBlast|TestGrowth|TestGrowthFaults|TestIgnited|TestOwnUpgrade|TestRecovered|TestRemoved|TestRestarted|TestUpgraded)$$'

.DEFAULT_GOAL := help
.PHONY: help build test test-faults fuzz test-before test-nodes test-long test-vm test-all demo demo-down bench bench-nodes blast lint fmt readme clean gcc

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## The two programs, static, in build/
	$(STATIC) -o $(BUILD)/ ./scheduler/cmd/scaleio-scheduler ./agent/cmd/scaleio-agent

test: gcc ## Quick tests with the race detector: no root, Go modules only
	CGO_ENABLED=1 $(GO) vet -race ./... # -race here as well: all is compiled once, not twice
	CGO_ENABLED=1 $(GO) test -race -vet=off ./... # it was vetted

test-nodes: $(BUILD)/demo ## Tests on real systemd nodes (root): the demo's assertions, kills, reboots, losses, a mixed cluster
	$(BUILD)/demo prepare
	$(NODETEST) -skip $(LONG) ./test/nodes ./test/aws/loopdisk ./test/zookeeper ./test/cases

test-long: $(BUILD)/demo ## More of them: nodes without Mesos, nodes taken out, packages upgraded, each process killed and frozen, the scheduler's state lost, every gap of an expansion, 10,000 years of growth
	$(BUILD)/demo prepare
	$(NODETEST) -run $(LONG) ./test/cases
	$(GO) test -count=1 -timeout 60m -run everyGap ./test/growth -all
	$(GO) test -count=1 -timeout 60m -run 'TestGrow_(aYear|randomSchedules)' ./scheduler/decide

SEEDS ?= 10000

test-faults: ## Faults of every kind in one process, SEEDS of them: 10000, or as many as you say
	GOGC=400 $(GO) test -count=1 -timeout 24h ./test/faults -seeds $(SEEDS)

FUZZTIME ?= 30s
FUZZERS ?= 2

fuzz: ## Every fuzz target, FUZZERS at a time (2), FUZZTIME each: 30s, or as much as you say
	$(GO) run ./test/fuzz -time $(FUZZTIME) -at-once $(FUZZERS)

test-before: ## The version before, from the repository's history (a full clone), with this one's scheduler and agents, both ways
	$(GO) test -tags history -count=1 -v ./test/before

test-vm: ## Tests in a virtual machine (root): kernels, their modules and disks, as far as a container can't have them
	$(GO) run ./test/vm/prepare
	$(GO) test -tags vm -count=1 -timeout 40m -v ./test/vm

test-all: test test-before test-nodes test-long test-vm ## All of them

demo: $(BUILD)/demo ## From bare nodes to a Ready cluster, on this machine (root); NODES=3 or NODES=ubuntu,rocky,flatcar; GROWTH=off leaves the last act out
	$(BUILD)/demo up --nodes $(NODES) --growth $(GROWTH)

demo-down: $(BUILD)/demo ## Take the demo down; nothing stays behind but caches
	$(BUILD)/demo down

bench: ## What can be measured without root, against its bars (10 min): M2, M3, M6, M8, M9 of docs/numbers.md
	$(GO) test -run '^$$' -p 1 -bench 'Placed|Held|Exposure|Reach|Calls' -benchtime 1x -timeout 60m ./test/bench ./test/growth | $(GO) run ./test/bench

bench-nodes: $(BUILD)/demo ## What needs real nodes (root; 40 min): M1, M4, M5, M7
	$(BUILD)/demo prepare
	{ $(GO) test -run '^$$' -bench Seen_from -benchtime 1000x ./platform/block; \
	$(GO) test -tags nodes -run '^$$' -bench 'BringUp|AtRest|Killed' -benchtime 1x -timeout 90m -v ./test/bench; } | $(GO) run ./test/bench

blast: $(BUILD)/demo ## Kill and freeze each process under a writer (root), and write the README's table of pauses anew
	$(BUILD)/demo prepare
	$(NODETEST) -run '^TestBlast$$' ./test/cases -readme

lint: ## gofmt, go vet, staticcheck, with every build tag
	@unformatted=$$(gofmt -l agent installer platform scheduler systemd test); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet -tags nodes,innode,vm,history ./...
	$(GO) run $(STATICCHECK) -tags nodes,innode,vm,history ./...

fmt: ## Format the code
	gofmt -w agent installer platform scheduler systemd test

readme: ## Write generated parts anew: the README's configuration and supported systems, the Butane file's unit
	$(GO) test ./test -run 'TestReadme_(configuration|supportTable)|TestButane_unit' -update

clean: ## Remove build/
	rm -rf $(BUILD)

# Go itself knows what is up to date.
.PHONY: $(BUILD)/demo
$(BUILD)/demo:
	@$(STATIC) -o $@ ./test/demo

# The race detector needs a C compiler.
gcc:
	@command -v gcc >/dev/null && [ -e /usr/include/stdlib.h ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing gcc and libc6-dev: the race detector needs them"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null; \
	else \
		echo "the race detector needs a C compiler: install the packages gcc and libc6-dev (as root: apt-get install gcc libc6-dev)"; exit 1; \
	fi
