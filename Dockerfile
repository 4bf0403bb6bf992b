# One image for the service, the load generators and whoever judges: their commands differ.
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm
FROM ${PYTHON_IMAGE}

# A package index nearer than the usual one, where there is one.
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST

WORKDIR /app
COPY . .
RUN python -m pip install --no-cache-dir --constraint constraints.txt --editable . \
    && python -m target_service train --out build/models

# A volume gets its owner from the first image that has a folder where it is mounted.
RUN install --directory --owner=10001 --group=10001 /etc/driftdrill /runs \
    && install --directory --owner=65534 --group=65534 /data/prometheus /data/alertmanager \
    && install --directory --owner=472 --group=472 /data/grafana

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
CMD ["driftdrill", "list"]
