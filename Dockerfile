# The three images. `make image` builds them all; each is a target of its own.
ARG GO_VERSION=1.26
ARG ENVOY_VERSION=v1.40.0

FROM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd ./cmd
COPY pkg ./pkg
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/...
RUN CGO_ENABLED=0 GOBIN=/out go install github.com/rakyll/hey@v0.1.5

# webhook, mesh and canary, not root, and the CNI plugin, whose agent is told to be root. No shell.
FROM gcr.io/distroless/static:nonroot AS sluice
COPY --from=build /out/webhook /out/mesh /out/canary /out/sluice-cni /
USER 65532:65532

# Upstream Envoy with our two small tools, so that a pod pulls one image.
FROM envoyproxy/envoy:distroless-${ENVOY_VERSION} AS sluice-proxy
COPY --from=build /out/proxyinit /out/proxyctl /usr/local/bin/
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/envoy"]

FROM debian:bookworm-slim AS sluice-loadtester
RUN apt-get update && apt-get install -y --no-install-recommends bash ca-certificates curl jq && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/loadtester /out/hey /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/loadtester"]
