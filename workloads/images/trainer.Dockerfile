# The trainer's image: the `workloads` dependency group of uv.lock, and this repository's workloads/ beside it.
#
#   make images                                      from the pinned base
#   make images BASE=registry.example.com/python@sha256:…   from a site's own base
#
# The base needs Python 3.11 or newer with venv and ensurepip, and nothing else: the CUDA libraries come with torch's wheel, the driver with
# the node. It is taken by digest, so that the same commit builds from the same base next year.
# Seen in public repositories in 2026, not read live: compare with the publisher before a release.
ARG BASE=python:3.11-slim-bookworm@sha256:2e32f7d302adc1c37428355c1e646897c0c53f4fd60b6a551245fb90ee129f91

FROM ${BASE} AS environment
ARG UV_VERSION
# Sites behind an inspecting proxy hand in their own authorities as the secret `ca`; it stays in no layer.
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
ENV UV_PROJECT_ENVIRONMENT=/opt/environment \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# Before the sources: a changed line of the trainer must not install torch again.
COPY pyproject.toml uv.lock ./
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi; \
    /opt/uv/bin/uv sync --frozen --only-group workloads

FROM ${BASE}
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="slipway/trainer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=environment /opt/environment /opt/environment
COPY workloads /opt/slipway/workloads
# The root is read-only where it runs, so nothing is compiled beside the sources and caches go below HOME.
ENV PATH=/opt/environment/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/slipway \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
WORKDIR /opt/slipway
# A number: pod security `restricted` cannot tell whether a name is root.
USER 1000:1000
CMD ["python", "workloads/trainer/main.py", "--help"]
