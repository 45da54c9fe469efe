# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash -euo pipefail
.DEFAULT_GOAL := help
.PHONY: help build demo test lint bench bench-check generate guest images lab lab-down e2e clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

build: ## build bin/tapir, and bin/kubectl-tapir for `kubectl tapir` (needs only Go: the BPF objects are committed)
	CGO_ENABLED=0 go build -trimpath -ldflags "-X github.com/tapir-vm/tapir/internal/revision.linked=$$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null)" -o bin/ ./cmd/...
	ln -sf tapir bin/kubectl-tapir

demo: build ## boot a VM behind the datapath, show its traffic, take it all down (root)
	@hack/deps.sh run guest demo
	@hack/guest-image.sh
	@hack/demo.sh

test: ## every test, none skipped (root; about 15 minutes, and 10 to build the lab the first time)
	@hack/deps.sh run guest test lab
	@hack/guest-image.sh
	@hack/guest-disk.sh
	@hack/images.sh
	@hack/lab.sh
	go build -race ./...
	go test -race -json -count=1 -p 1 -timeout 20m ./... | go run ./internal/tools/gotest

lint: ## gofmt, go vet, staticcheck, shellcheck, licence headers
	@hack/deps.sh lint
	@files=$$(gofmt -l $$(git ls-files '*.go')); [[ -z $$files ]] || { echo "run gofmt -w on: $$files"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	shellcheck $$(git ls-files '*.sh') .ci/run
	@files=$$(git ls-files '*.go' | xargs grep -LE '^// (SPDX-License-Identifier: Apache-2.0|Code generated)'); \
		[[ -z $$files ]] || { echo "no SPDX line in: $$files"; exit 1; }

bench: build guest ## measure Tapir beside other datapaths, keep the results in bench/results (root; an idle machine; 30 minutes)
	@hack/deps.sh run bench
	bin/tapir bench --results bench/results

bench-check: build ## measure in 2 minutes and hold the ratios to their thresholds (root; an idle machine)
	@hack/deps.sh bench
	mkdir -p build
	bin/tapir bench --quick -o json >build/bench.json
	bin/tapir bench check build/bench.json

generate: ## compile bpf/ and the KVM probe, write deploy/crds, deploy/kustomize, docs/cli and docs/fields.md
	@hack/deps.sh generate lab
	@hack/lab.sh
	go generate ./...

guest: ## build the guest image that tests and demo boot
	@hack/deps.sh guest
	@hack/guest-image.sh

images: ## build the container images into build/images, without a container engine
	@hack/deps.sh run
	@hack/images.sh $(PREFIX)

e2e: ## test the images in a cluster on this machine (root)
	@hack/deps.sh run guest lab
	@hack/guest-image.sh
	@hack/guest-disk.sh
	@hack/images.sh
	@hack/lab.sh
	go test -count=1 -timeout 30m -v ./test/e2e

lab: ## bring up a Kubernetes cluster of two nodes on this machine, with Tapir's images (root; the first time takes 8 minutes to build)
	@hack/deps.sh run guest lab
	@hack/guest-image.sh
	@hack/guest-disk.sh
	@hack/images.sh
	@hack/lab.sh
	@go build -o build/lab/lab ./internal/tools/lab
	@build/lab/lab up build/images/*.tar
	@echo "export KUBECONFIG=$(CURDIR)/build/lab/kubeconfig PATH=$(CURDIR)/build/lab/bin:\$$PATH"

lab-down: ## take it down, with all that ran in it
	@go run ./internal/tools/lab down

clean: ## remove what was built
	rm -rf bin build
