# syntax=docker/dockerfile:1
# One image for every process: gateway serve, worker, migrate, sandbox.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/gateway
WORKDIR /src
COPY requirements/runtime.txt requirements/runtime.txt
RUN /opt/gateway/bin/pip install --no-deps --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY gateway gateway
COPY providers providers
COPY sandbox sandbox
COPY storage storage
RUN /opt/gateway/bin/pip install --no-index --no-deps --no-build-isolation . \
    && /opt/gateway/bin/pip uninstall --yes pip

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin gateway \
    && install --directory --owner=gateway --group=gateway /data /sandbox
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["gateway", "serve", "--host", "0.0.0.0", "--port", "8000"]
