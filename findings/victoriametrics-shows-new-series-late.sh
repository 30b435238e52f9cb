#!/usr/bin/env bash
# VictoriaMetrics 1.145.0 leaves a series that is new out of its answers for up to 13 s after its first sample, while the
# samples of older series of the same metric are in the same answers at once. Who reads raw samples of a counter as they
# come so sees the requests of a second before the failures of that second, if those are the first ones.
#
# Seen: "code 500 was shown 10.7 s after its first sample; code 200 was 1.7 s old in the same answer".
# Ends with 0 as long as that is so: at least 3 s in one of three tries.
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

count=0
tick() { # OTHER SERIES...
    count=$((count + 1))
    printf '%s\n' "requests_total{code=\"200\"} $count" "$@" | curl -sf --data-binary @- "$url/api/v1/import/prometheus"
}
answer() {
    curl -sf "$url/api/v1/query" --data-urlencode 'query=requests_total[20s]'
}

for _ in $(seq 30); do
    tick
    answer >/dev/null
    sleep 0.5
done

late=no
for code in 500 501 502; do
    born="$(date +%s.%N)"
    until answer >shown && grep -q "\"code\":\"$code\"" shown; do
        tick "requests_total{code=\"$code\"} 7"
        sleep 0.3
    done
    python3 - "$code" "$born" shown <<'P' || late=yes
import json, sys, time
code, born, file = sys.argv[1], float(sys.argv[2]), sys.argv[3]
now = time.time()
series = {row["metric"]["code"]: row["values"] for row in json.load(open(file))["data"]["result"]}
print(f"code {code} was shown {now - born:.1f} s after its first sample; "
      f"code 200 was {now - series['200'][-1][0]:.1f} s old in the same answer")
sys.exit(1 if now - born >= 3 else 0)
P
done
[ "$late" = yes ] || { echo "new series were shown at once: this has changed"; exit 1; }
