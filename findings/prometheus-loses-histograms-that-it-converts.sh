#!/usr/bin/env bash
# Prometheus 3.5.3 with convert_classic_histograms_to_nhcb in a scrape job, and without --enable-feature=native-histograms on its
# command line, keeps nothing of a classic histogram: no buckets, no count, no sum, and no native histogram. The configuration is
# accepted, the target is up, and the log says nothing. Queries and alerts on latency have no data.
#
# Seen: "plain: 0 histograms, 2 buckets; up=1, scraped 4, kept 4", "converted, with the feature: 1 histograms, 0 buckets; up=1,
# scraped 1, kept 1", "converted, without the feature: 0 histograms, 0 buckets; up=1, scraped 1, kept 0, log says nothing".
# Ends with 0 as long as that is so.
set -euo pipefail

version=3.5.3+ds1-6
folder="$(mktemp -d)"
started=()
trap '[ ${#started[@]} = 0 ] || kill "${started[@]}"; wait; rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p apt/sources apt/lists/partial apt/cache/archives/partial
# From where the machine, a Debian, gets all else.
archive="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sed -n 1p)"
printf '%s\n' 'Types: deb' "URIs: $archive" 'Suites: sid' 'Components: main' \
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >apt/sources/sid.sources
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/apt/sources"
    -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User=)
"${apt[@]}" update
"${apt[@]}" download "prometheus=$version"
dpkg -x prometheus_*.deb .
echo "prometheus $(dpkg-deb -f prometheus_*.deb Version)"

port="${PORT:-19481}"
mkdir exposed
cat >exposed/metrics <<'T'
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.5"} 3
http_request_duration_seconds_bucket{le="+Inf"} 4
http_request_duration_seconds_sum 2
http_request_duration_seconds_count 4
T
cat >serve.py <<'P'
import http.server, pathlib, sys
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(pathlib.Path("exposed/metrics").read_bytes())
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics).serve_forever()
P
python3 serve.py "$port" &
started+=($!)

# WHAT CONVERT FLAGS...: what there is of the histogram, and of the scrape.
seen() {
    local what="$1" convert="$2" url="http://127.0.0.1:$((port + ${#started[@]}))" name="server-${#started[@]}"
    shift 2
    cat >"$name.yml" <<Y
global: {scrape_interval: 1s}
scrape_configs:
- job_name: shop
  convert_classic_histograms_to_nhcb: $convert
  static_configs: [{targets: ["127.0.0.1:$port"]}]
Y
    usr/bin/prometheus --config.file="$name.yml" --storage.tsdb.path="$name" --web.listen-address="${url#http://}" \
        --log.level=warn "$@" >"$name.log" 2>&1 &
    started+=($!)
    ask() { curl -sf "$url/api/v1/query" --data-urlencode "query=$1"; }
    until ask 'count_over_time(up[1m]) >= 3' 2>/dev/null | grep -q '"job":"shop"'; do
        kill -0 "${started[-1]}" || { cat "$name.log"; exit 2; }
        sleep 0.2
    done
    number() { ask "$1" | python3 -c 'import json, sys; r = json.load(sys.stdin)["data"]["result"]; print(r[0]["value"][1] if r else 0)'; }
    local log="log says nothing"
    [ ! -s "$name.log" ] || log="log says: $(head -1 "$name.log")"
    printf '%s: %s histograms, %s buckets; up=%s, scraped %s, kept %s, %s\n' "$what" \
        "$(number 'count(histogram_count(http_request_duration_seconds))')" \
        "$(number 'count(http_request_duration_seconds_bucket)')" \
        "$(number up)" "$(number scrape_samples_scraped)" "$(number 'max_over_time(scrape_series_added[1m])')" "$log"
}

seen "plain" false >plain
seen "converted, with the feature" true --enable-feature=native-histograms >with
seen "converted, without the feature" true >without
cat plain with without
grep -q ': 0 histograms, 2 buckets;' plain
grep -q ': 1 histograms, 0 buckets;' with
grep -qx 'converted, without the feature: 0 histograms, 0 buckets; up=1, scraped 1, kept 0, log says nothing' without
