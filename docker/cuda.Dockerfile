# gpucodec on NVIDIA GPUs, CUDA 13, or 12 with --build-arg CUDA=12. From the root of the repository:
# docker build --file docker/cuda.Dockerfile --build-arg CUDA=13 --tag gpucodec:cuda13 .
# docker/README.md says how to run it, and how to pin the base images by their digests.
ARG CUDA=13
ARG BASE_12=nvidia/cuda:12.9.1-base-ubuntu24.04
ARG BASE_13=nvidia/cuda:13.0.1-base-ubuntu24.04

# One of the two is built: the one that the argument CUDA names.
FROM ${BASE_12} AS base12
FROM ${BASE_13} AS base13

# hadolint ignore=DL3006
FROM base${CUDA} AS python
# The distribution's security updates of Python are wanted, not one version of it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*

FROM python AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*

FROM build AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY gpucodec ./gpucodec
COPY kernels ./kernels
RUN python3 -m venv /build \
    && /build/bin/python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# Numba, CuPy and nvJPEG2000 bring their parts of CUDA in wheels; of the base image the driver's libraries are used,
# which the container runtime puts there.
FROM build AS environment
ARG CUDA
COPY --from=wheel /wheels /wheels
RUN python3 -m venv /opt/gpucodec \
    && /opt/gpucodec/bin/python -m pip install --no-cache-dir "$(echo /wheels/*.whl)[cuda${CUDA}]" \
    && /opt/gpucodec/bin/python -m pip check

FROM python AS runtime
ARG CUDA
LABEL org.opencontainers.image.title="gpucodec" \
      org.opencontainers.image.description="Codecs for DICOM pixel data, on NVIDIA GPUs with CUDA ${CUDA}" \
      org.opencontainers.image.licenses="MIT"
# Compiled kernels and the user's settings lie in one folder that anybody may write to, so that --user works.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/cache/gpucodec --shell /usr/sbin/nologin gpucodec \
    && install --directory --mode=1777 /var/cache/gpucodec /data
COPY --from=environment /opt/gpucodec /opt/gpucodec
ENV PATH="/opt/gpucodec/bin:${PATH}" \
    HOME=/var/cache/gpucodec \
    NUMBA_CACHE_DIR=/var/cache/gpucodec/numba \
    CUPY_CACHE_DIR=/var/cache/gpucodec/cupy \
    CUDA_CACHE_PATH=/var/cache/gpucodec/cuda \
    XDG_CACHE_HOME=/var/cache/gpucodec \
    XDG_CONFIG_HOME=/var/cache/gpucodec/config \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME ["/var/cache/gpucodec"]
HEALTHCHECK --interval=5m --timeout=2m --start-period=30s CMD ["gpucodec", "doctor", "--require", "cuda"]
ENTRYPOINT ["gpucodec"]
CMD ["--help"]
