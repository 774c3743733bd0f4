# The app, or with other words behind the image's name any command: torch for the CPU, kernels compiled ahead, no root.
#   docker build -t othello-lrp .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8501:8501 othello-lrp
#   docker run --rm --read-only --tmpfs /tmp othello-lrp othello explain f5d6c3d3c4 --why
# Nothing is written but /tmp, and /data where a volume lies there.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/othello
ENV PATH=/opt/othello/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY constraints.txt ./
RUN pip install --no-deps --index-url "$TORCH_INDEX" -c constraints.txt torch
COPY . ./
RUN pip install -c constraints.txt ".[app,train,experiments,cluster]"

FROM python:3.12-slim
COPY --from=build /opt/othello /opt/othello
ENV PATH=/opt/othello/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp \
    OTHELLO_CACHE=/opt/cache STREAMLIT_SERVER_ADDRESS=0.0.0.0 RAY_USAGE_STATS_ENABLED=0
# A start on a processor of another kind compiles anew, into /tmp.
RUN othello warm --training && chmod -R a+rX /opt/cache \
    && useradd --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin othello \
    && install -d -o othello -g othello /data
USER 10001:10001
WORKDIR /data
EXPOSE 8501
CMD ["othello", "app"]
