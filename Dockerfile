# The image of shipper: the binary, the libraries that it loads, Debian's CA certificates, and an empty directory for
# positions.
#
#   npm run build && docker build -t shipper .
#   docker run --read-only -v ./shipper.conf:/etc/shipper/shipper.conf:ro -v /var/log:/var/log:ro \
#     -v shipper:/var/lib/shipper shipper
#
# Uses the binary for glibc, which needs only five files of glibc; the one for musl also needs libstdc++.
# test/e2e/image.test.ts reads the COPY lines, creates the same root and runs the program in it.
ARG TARGETARCH

FROM debian:bookworm-slim AS system
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && mkdir /empty

FROM scratch AS amd64
COPY --from=system /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /lib64/
COPY --from=system /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-gnu/libdl.so.2 /usr/lib/x86_64-linux-gnu/libm.so.6 /usr/lib/x86_64-linux-gnu/libpthread.so.0 /lib/x86_64-linux-gnu/
COPY --chmod=0555 dist/shipper-linux-x64 /usr/bin/shipper

FROM scratch AS arm64
COPY --from=system /usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1 /lib/
COPY --from=system /usr/lib/aarch64-linux-gnu/libc.so.6 /usr/lib/aarch64-linux-gnu/libdl.so.2 /usr/lib/aarch64-linux-gnu/libm.so.6 /usr/lib/aarch64-linux-gnu/libpthread.so.0 /lib/aarch64-linux-gnu/
COPY --chmod=0555 dist/shipper-linux-arm64 /usr/bin/shipper

FROM ${TARGETARCH}
COPY --from=system /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=system --chown=65532:65532 /empty /var/lib/shipper
ENV SHIPPER_STATE=/var/lib/shipper
USER 65532:65532
ENTRYPOINT ["/usr/bin/shipper"]
CMD ["-c", "/etc/shipper/shipper.conf"]
