# Builds the binary as benches/load/pgo does, then puts it alone into a small image that runs as nobody in particular.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends curl gcc libc6-dev llvm-19 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cp "$(benches/load/pgo)" /portcullis

FROM debian:bookworm-slim
# Roots for TLS towards upstreams.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/portcullis --create-home portcullis
COPY --from=build /portcullis /usr/local/bin/portcullis
USER portcullis
WORKDIR /var/lib/portcullis
# The configuration is mounted at /etc/portcullis/portcullis.toml; keep the store in a volume here.
VOLUME /var/lib/portcullis
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["portcullis", "health"]
ENTRYPOINT ["portcullis"]
CMD ["serve"]
