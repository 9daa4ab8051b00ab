# Weir and the six example handlers. docs/docker.md says how to use the image, and which parts of it were tested.
#
# You can replace both bases, with those of a mirror or with your own. They must be of the same Debian release, because
# the program is linked against its C library.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
# The tools that build the C code of the Kafka client and the cryptography.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates cmake g++ libssl-dev make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" ] || rustup target add wasm32-wasip2
# The handlers are the packages of guest-handlers that are not guests of tests. A file's name is the handler's name.
RUN set -eu; \
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_STRIP=symbols; \
    cargo build --locked --release --package weir --bin weir; \
    handlers=$(cd guest-handlers && ls -d */ | tr -d / | grep -v '^behaviours$'); \
    cargo build --locked --profile guest --target wasm32-wasip2 $(printf -- '--package %s ' $handlers); \
    mkdir -p /out/usr/local/bin /out/handlers /out/etc/ssl/certs; \
    cp target/release/weir /out/usr/local/bin/weir; \
    for handler in $handlers; do \
        cp "target/wasm32-wasip2/guest/$(echo "$handler" | tr - _).wasm" "/out/handlers/$handler.wasm"; \
    done; \
    cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/; \
    libraries=/usr/lib/$(gcc -print-multiarch); \
    mkdir -p "/out$libraries"; \
    cp "$libraries/libssl.so.3" "$libraries/libcrypto.so.3" "/out$libraries/"; \
    /out/usr/local/bin/weir version

# Nothing runs in this stage, so a base without a shell will do.
FROM ${BASE_IMAGE}
COPY --from=build /out/ /
# A number, so that an orchestrator can see that it is not root.
USER 1000:1000
# Nothing is written, so the root file system may be read-only.
WORKDIR /
ENV HANDLERS=/handlers ADMIN_LISTEN=0.0.0.0:7070
EXPOSE 7070
STOPSIGNAL SIGTERM
# Waiting for Kafka, MongoDB and the first assignment is not a failure in the first minute.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/local/bin/weir", "health"]
ENTRYPOINT ["/usr/local/bin/weir"]
CMD ["run"]
