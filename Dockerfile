FROM rust:1.95-bookworm AS build
WORKDIR /build

# The dependencies alone, in a layer of their own: it is built again only when one of them changes. Cargo.toml names
# the benchmarks, and cargo reads nothing without them.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src

# fixtures/ and migrations/ are read into the binary.
COPY migrations migrations
COPY fixtures fixtures
COPY src src
# Copied files keep their age, and cargo would take the empty program above for a newer one.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked && mkdir /data

# A C library, the root certificates that TLS to the model is checked with, and nothing else: no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/frontdesk /frontdesk
# The database, event logs, recordings. Mount a volume here to keep them. There is no VOLUME line: Railway refuses
# images with one. A volume that belongs to root needs RAILWAY_RUN_UID=0 there, and a chown elsewhere.
COPY --from=build --chown=65532:65532 /data /data
ENV DATA_DIR=/data PORT=8080
WORKDIR /data
EXPOSE 8080
# A number, so that a platform can see that it is not root.
USER 65532:65532
# The first drains, the second stops at once.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s CMD ["/frontdesk", "healthcheck"]
# No shell in between: it would keep the signal to itself, and every deploy would cut the calls.
ENTRYPOINT ["/frontdesk"]
CMD ["serve"]
