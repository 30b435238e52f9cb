# docker build --tag tidegate:0.1.0 .
#
# The binary is linked with glibc and nothing else, so that names resolve as everywhere on the node. `cc` is the
# smallest base with glibc, libgcc and the certificate authorities: no shell, no package manager. It and the build
# image are of the same Debian release, because a binary only runs with the glibc that it was linked with, or later.
# For a release, pin both by digest:
#   --build-arg BUILD_IMAGE=rust@sha256:... --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian12@sha256:...
ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --profile dist --locked && cp target/dist/tidegate /usr/local/bin/tidegate

FROM ${BASE_IMAGE}
COPY --from=build /usr/local/bin/tidegate /usr/local/bin/tidegate
COPY LICENSE /usr/share/doc/tidegate/LICENSE
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/tidegate"]
CMD ["run"]
