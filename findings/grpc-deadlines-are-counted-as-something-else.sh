#!/usr/bin/env bash
# A call whose deadline passes ends with DEADLINE_EXCEEDED at the client. At the server, which is still at work on it,
# py-grpc-prometheus 0.8.0 counts it as CANCELLED and nice-grpc-prometheus 0.2.9 as OK, once the handler is done: a rule that
# looks for DEADLINE_EXCEEDED in grpc_server_handled_total finds none of them.
#
# Seen, with 3 calls that are answered at once and 4 that take longer than their deadline of 200 ms:
#   python, clients: OK x3, DEADLINE_EXCEEDED x4
#   python, grpc_server_handled_total: OK x3, CANCELLED x4
#   node, clients: OK x3, DEADLINE_EXCEEDED x4
#   node, grpc_server_handled_total: OK x7
# Ends with 0 as long as this is what is printed.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip -q install py-grpc-prometheus==0.8.0 grpcio==1.85.3 prometheus_client==0.26.0
cat >package.json <<'E'
{"name": "shop", "version": "1.0.0", "private": true, "type": "module", "dependencies": {
  "nice-grpc": "2.1.18", "nice-grpc-prometheus": "0.2.9", "prom-client": "15.1.3", "@grpc/grpc-js": "1.14.7"
}}
E
npm install --silent --no-audit --no-fund --legacy-peer-deps

cat >run.py <<'E'
import collections, re, time
from concurrent import futures

import grpc
from prometheus_client import generate_latest
from py_grpc_prometheus.prometheus_server_interceptor import PromServerInterceptor


def late(request, context):
    time.sleep(0.6)
    return b"late"


class Shop(grpc.GenericRpcHandler):
    def service(self, call):
        answer = {"/shop.Shop/Buy": lambda request, context: b"bought", "/shop.Shop/Ship": late}[call.method]
        return grpc.unary_unary_rpc_method_handler(answer)


server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=(PromServerInterceptor(),))
server.add_generic_rpc_handlers((Shop(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}")


def called(method, timeout):
    try:
        channel.unary_unary(f"/shop.Shop/{method}")(b"", timeout=timeout)
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def told(counts):
    return ", ".join(f"{code} x{count}" for code, count in counts.items())


seen = [called("Buy", 5) for _ in range(3)] + [called("Ship", 0.2) for _ in range(4)]
time.sleep(1)
counts = collections.Counter()
for code, count in re.findall(r'^grpc_server_handled_total\{.*grpc_code="(\w+)".*\} (\S+)$', generate_latest().decode(), re.M):
    counts[code] += int(float(count))
print("python, clients:", told(collections.Counter(seen)))
print("python, grpc_server_handled_total:", told(counts))
E

cat >run.js <<'E'
import { setTimeout as pause } from "node:timers/promises";
import { Client, credentials, status } from "@grpc/grpc-js";
import { createServer } from "nice-grpc";
import { prometheusServerMiddleware, registry } from "nice-grpc-prometheus";

const same = bytes => bytes;
const method = name => ({
  path: `/shop.Shop/${name}`, requestStream: false, responseStream: false, options: {},
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
});
const server = createServer().use(prometheusServerMiddleware());
server.add({ buy: method("Buy"), ship: method("Ship") }, {
  buy: async () => Buffer.from("bought"),
  ship: async () => { await pause(600); return Buffer.from("late"); },
});
const port = await server.listen("127.0.0.1:0");
const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
const called = (name, timeout) => new Promise(done => client.makeUnaryRequest(
  `/shop.Shop/${name}`, same, same, Buffer.alloc(0), { deadline: Date.now() + timeout },
  error => done(error ? status[error.code] : "OK")));
const count = (counts, code, more) => { counts[code] = (counts[code] ?? 0) + more; return counts; };
const told = counts => Object.entries(counts).map(([code, number]) => `${code} x${number}`).join(", ");

const seen = {};
for (let n = 0; n < 3; n += 1) count(seen, await called("Buy", 5000), 1);
for (let n = 0; n < 4; n += 1) count(seen, await called("Ship", 200), 1);
await pause(1000);
const counts = {};
for (const [, code, number] of (await registry.metrics()).matchAll(/^grpc_server_handled_total\{.*grpc_code="(\w+)".*\} (\S+)$/gm))
  count(counts, code, Number(number));
console.log("node, clients:", told(seen));
console.log("node, grpc_server_handled_total:", told(counts));
process.exit(0);
E
{ python/bin/python run.py; node run.js; } | tee seen
diff - seen <<'E'
python, clients: OK x3, DEADLINE_EXCEEDED x4
python, grpc_server_handled_total: OK x3, CANCELLED x4
node, clients: OK x3, DEADLINE_EXCEEDED x4
node, grpc_server_handled_total: OK x7
E
