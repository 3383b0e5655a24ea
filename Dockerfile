# dealtrail for a cluster or docker-compose.yml: one static program without the embedded engine, nothing else in the image, no root.
# It needs redis.url and clickhouse.url, and writes to /var/lib/dealtrail and /tmp only.
FROM node:24-bookworm AS assets
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund --omit=dev --omit=optional && touch node_modules/.package-lock.json
COPY Makefile ./
COPY ingest ingest
COPY dashboards/static dashboards/static
RUN touch node_modules/.package-lock.json && make assets

FROM golang:1.26-bookworm AS program
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=assets /src/ingest ingest
COPY --from=assets /src/dashboards/static dashboards/static
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -tags noengine -ldflags "-X main.version=$VERSION" -o /out/bin/dealtrail ./cmd/dealtrail && \
    mkdir -p /out/etc/dealtrail /out/etc/ssl/certs /out/var/lib/dealtrail/files /out/run/passwords /out/tmp && \
    cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && \
    echo 'dealtrail:x:65532:65532::/var/lib/dealtrail:/none' > /out/etc/passwd && \
    chown -R 65532:65532 /out/etc/dealtrail /out/var/lib/dealtrail /out/run/passwords && chmod 1777 /out/tmp

FROM scratch
COPY --from=program /out /
USER 65532:65532
WORKDIR /var/lib/dealtrail
EXPOSE 8080
ENTRYPOINT ["/bin/dealtrail", "--config", "/etc/dealtrail/dealtrail.toml"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/bin/dealtrail", "--config", "/etc/dealtrail/dealtrail.toml", "status", "--ready"]
