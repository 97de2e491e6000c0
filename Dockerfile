# The image that runs relay: what requirements.lock pins, and relay itself, owned by root and run as uid 10001.
# A release build gives the base by digest: docker build --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Dependencies first: they change more seldom than relay, and keep their layer when it does.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/relay \
    && pip --python /opt/relay/bin/python install --require-hashes --requirement requirements.lock
RUN pip install --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY relay relay
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/relay/bin/python install --no-index --no-deps dist/relay-*.whl \
    && /opt/relay/bin/python -m compileall -q /opt/relay/lib

FROM ${PYTHON_IMAGE} AS runtime
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="relay" \
      org.opencontainers.image.description="Call control in front of a telephone switch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 relay \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin relay \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/relay
COPY --from=build /opt/relay /opt/relay
# Loopback, the default, cannot be reached from outside a container. The data directory serves the embedded store only.
ENV PATH=/opt/relay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RELAY_BIND=0.0.0.0:8080 \
    RELAY_ADMIN_BIND=0.0.0.0:9090 \
    RELAY_DATA_DIR=/var/lib/relay
WORKDIR /var/lib/relay
VOLUME /var/lib/relay
USER 10001:10001
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/healthz', timeout=2)"]
ENTRYPOINT ["relay"]
CMD ["serve"]
