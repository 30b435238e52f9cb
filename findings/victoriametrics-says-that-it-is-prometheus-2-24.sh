#!/usr/bin/env bash
# VictoriaMetrics 1.145.0 answers /api/v1/status/buildinfo, where a client finds out which store it speaks to, with the version
# of a Prometheus of 2021, and nothing else: neither its own name nor its own version. Who chooses by that number what the
# store can do takes it for one without native histograms, and without what MetricsQL has. What tells it apart there: it
# has no goVersion, and a path that it does not serve, such as /api/v1/status/runtimeinfo, is HTTP 400, and not 404.
#
# Seen:
#   buildinfo: {"status":"success","data":{"version":"2.24.0"}}
#   runtimeinfo: HTTP 400
# Ends with 0 as long as this is what is printed.
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

url="http://127.0.0.1:${PORT:-18429}"
usr/bin/victoria-metrics -storageDataPath=data -httpListenAddr="${url#http://}" >log 2>&1 &
server=$!
until curl -sf -o health "$url/health"; do
    kill -0 "$server" || { cat log; exit 2; }
    sleep 0.2
done
echo "victoria-metrics $(dpkg-deb -f victoria-metrics_*.deb Version)"
{
    echo "buildinfo: $(curl -sf "$url/api/v1/status/buildinfo")"
    echo "runtimeinfo: HTTP $(curl -s -o answer -w '%{http_code}' "$url/api/v1/status/runtimeinfo")"
} | tee seen
diff - seen <<'E'
buildinfo: {"status":"success","data":{"version":"2.24.0"}}
runtimeinfo: HTTP 400
E
