# syntax=docker/dockerfile:1

# The controller as one static binary on an empty image: no shell, no package, no user database.
#   docker build -t registry.example/aeraki:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example/aeraki:0.1.0 --push .
# Each platform builds on itself (emulated where the builder is another), so that no cross compiler is needed.

FROM rust:1.95.0-slim-bookworm AS build
ARG TARGETARCH
# ring and jemalloc have parts in C, which must be compiled against musl too.
# Not pinned: Debian keeps one version only, so a pinned one would be gone with the next point release.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends make musl-tools \
 && rm -rf /var/lib/apt/lists/*
# Over rust-toolchain.toml, which also asks for clippy and rustfmt.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN case "${TARGETARCH}" in \
      amd64) echo x86_64-unknown-linux-musl ;; \
      arm64) echo aarch64-unknown-linux-musl ;; \
      *) echo "no target for architecture '${TARGETARCH}'" >&2; exit 1 ;; \
    esac > /target \
 && rustup target add "$(cat /target)"
WORKDIR /src
COPY . .
ENV CC_x86_64_unknown_linux_musl=musl-gcc \
    CC_aarch64_unknown_linux_musl=musl-gcc
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package aeraki-bin --target "$(cat /target)" \
 && install -D "target/$(cat /target)/release/aeraki" /out/aeraki

FROM scratch
COPY --from=build /out/aeraki /aeraki
# Nobody's user and group by number: there is no /etc/passwd, and Kubernetes can tell that it is not root.
USER 65532:65532
# /healthz, /livez, /readyz and /metrics.
EXPOSE 8080
ENTRYPOINT ["/aeraki"]
CMD ["run"]
