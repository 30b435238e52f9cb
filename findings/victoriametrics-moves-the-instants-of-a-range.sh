#!/usr/bin/env bash
# VictoriaMetrics 1.145.0 answers a range query of 50 instants and more for other instants than those that were asked for: it
# moves start and end to multiples of the step. With one instant fewer, or with nocache=1, it answers for those that were asked
# for. Who asks for a time in pages, or reads the value at an instant that it reckoned itself, finds no value there.
#
# Seen: "49 instants: asked for 1796013880, answered for 1796013880", "50 instants with nocache=1: asked for 1796013880,
# answered for 1796013880", "50 instants: asked for 1796013880, answered for 1796013877", of steps of 7 s.
# Ends with 0 as long as that is so.
set -euo pipefail

version=1.145.0+ds1-2
folder="$(mktemp -d)"
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p apt/sources apt/lists/partial apt/cache/archives/partial
# From where the machine, a Debian, gets all else.
archive="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sed -n 1p)"
printf '%s\n' 'Types: deb' "URIs: $archive" 'Suites: sid' 'Components: main' \
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >apt/sources/sid.sources
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/apt/sources"
    -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User=)
"${apt[@]}" update
"${apt[@]}" download "victoria-metrics=$version"
dpkg -x victoria-metrics_*.deb .

port="${PORT:-18428}"
url="http://127.0.0.1:$port"
usr/bin/victoria-metrics -storageDataPath=data -httpListenAddr="127.0.0.1:$port" >log 2>&1 &
server=$!
until curl -sf "$url/health" >/dev/null; do
    kill -0 "$server" || { cat log; exit 2; }
    sleep 0.2
done
echo "victoria-metrics $(dpkg-deb -f victoria-metrics_*.deb Version)"

# A sample each second for ten minutes that end half a minute ago.
end=$(($(date +%s) / 60 * 60 - 60))
for second in $(seq $((end - 600)) "$end"); do
    echo "requests_total{code=\"200\"} $second $((second * 1000))"
done | curl -sf --data-binary @- "$url/api/v1/import/prometheus"
curl -sf "$url/internal/force_flush"

step=7
first() { # INSTANTS PARAMETERS...
    local start=$(((end - 500) / step * step + 3)) instants="$1"
    shift
    curl -sf "$url/api/v1/query_range" -d query=requests_total -d "start=$start" -d "step=$step" \
        -d "end=$((start + (instants - 1) * step))" "$@" >shown
    python3 - "$instants instants${*:+ with ${*: -1}}" "$start" shown <<'P'
import json, sys
what, start, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
answered = json.load(open(file))["data"]["result"][0]["values"][0][0]
print(f"{what}: asked for {start}, answered for {answered}")
sys.exit(0 if answered == start else 1)
P
}

first 49
first 50 -d nocache=1
if first 50; then
    echo "the instants that were asked for are answered: this has changed"
    exit 1
fi
