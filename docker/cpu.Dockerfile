# gpucodec on the CPU. From the root of the repository: docker build --file docker/cpu.Dockerfile --tag gpucodec:cpu .
# docker/README.md says how to run it, and how to pin the base image by its digest.
ARG BASE=python:3.12.12-slim-bookworm

FROM ${BASE} AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY gpucodec ./gpucodec
COPY kernels ./kernels
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE} AS environment
COPY --from=wheel /wheels /wheels
RUN python3 -m venv /opt/gpucodec \
    && /opt/gpucodec/bin/python -m pip install --no-cache-dir /wheels/*.whl \
    && /opt/gpucodec/bin/python -m pip check

FROM ${BASE} AS runtime
LABEL org.opencontainers.image.title="gpucodec" \
      org.opencontainers.image.description="Codecs for DICOM pixel data, on the CPU" \
      org.opencontainers.image.licenses="MIT"
# Compiled kernels and the user's settings lie in one folder that anybody may write to, so that --user works.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/cache/gpucodec --shell /usr/sbin/nologin gpucodec \
    && install --directory --mode=1777 /var/cache/gpucodec /data
COPY --from=environment /opt/gpucodec /opt/gpucodec
ENV PATH="/opt/gpucodec/bin:${PATH}" \
    HOME=/var/cache/gpucodec \
    NUMBA_CACHE_DIR=/var/cache/gpucodec/numba \
    XDG_CACHE_HOME=/var/cache/gpucodec \
    XDG_CONFIG_HOME=/var/cache/gpucodec/config \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME ["/var/cache/gpucodec"]
HEALTHCHECK --interval=5m --timeout=2m --start-period=30s CMD ["gpucodec", "doctor", "--require", "cpu"]
ENTRYPOINT ["gpucodec"]
CMD ["--help"]
