# docker build --build-arg REVISION="$(git describe --always --dirty --abbrev=40)" -t neuralgnn .
# docker run --rm -v "$PWD/results:/neuralgnn/results" neuralgnn
# Versions are those pinned in pyproject.toml, on the Python of envs/cpu.yaml; a test compares.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /neuralgnn
# Dependencies before the code: a change of the code does not fetch them again.
COPY envs/requirements.txt envs/fly.txt envs/
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    --requirement envs/requirements.txt \
    && pip install --no-cache-dir --no-deps --requirement envs/fly.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --editable .

# What results say they were made with: the repository itself stays outside.
ARG REVISION=""
ENV NEURALGNN_REVISION=$REVISION

CMD ["snakemake", "--cores", "2"]
