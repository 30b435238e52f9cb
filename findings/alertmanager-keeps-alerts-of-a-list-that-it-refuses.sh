#!/usr/bin/env bash
# Alertmanager 0.33.1 answers 400 to a list of alerts of which one is invalid, and fires the others all the same. The answer
# names neither those that it took nor those that it refused. Who sends a list anew after a 400, or gives it up as refused, is
# wrong about a part of it: an alert has to be sent alone by whoever wants to know what became of it.
#
# An alert that begins later than Alertmanager's own clock plus its resolve_timeout, and says no end, is such an invalid one: a
# sender whose clock is six minutes ahead is told that the start is not before the end, though it named no end.
#
# Seen: "400: "start time must be before end time"; fired all the same: good", and the same sentence for the clock that is ahead.
# Ends with 0 as long as that is so. Takes root, for a file that the package has at a fixed place.
set -euo pipefail

version=0.33.1-5
folder="$(mktemp -d)"
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p apt/sources apt/lists/partial apt/cache/archives/partial templates
# From where the machine, a Debian, gets all else.
archive="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sed -n 1p)"
printf '%s\n' 'Types: deb' "URIs: $archive" 'Suites: sid' 'Components: main' \
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >apt/sources/sid.sources
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/apt/sources"
    -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User=)
"${apt[@]}" update
"${apt[@]}" download "prometheus-alertmanager=$version"
dpkg -x prometheus-alertmanager_*.deb .

printf '%s\n' 'route: {receiver: nobody}' 'receivers: [{name: nobody}]' >config.yaml
port="${PORT:-19093}"
url="http://127.0.0.1:$port"
# Its templates are read from /usr/share: shown there to this one process.
unshare --mount sh -c '
    mount --bind usr/share /usr/share
    exec usr/bin/prometheus-alertmanager --config.file=config.yaml --storage.path=data \
        --web.listen-address="127.0.0.1:$0" --cluster.listen-address=' "$port" >log 2>&1 &
server=$!
until curl -sf "$url/-/ready" >/dev/null; do
    kill -0 "$server" || { cat log; exit 2; }
    sleep 0.2
done
echo "alertmanager $(dpkg-deb -f prometheus-alertmanager_*.deb Version)"

send() { # ALERTS
    curl -s -o answer -w '%{http_code}' -H 'Content-Type: application/json' -d "$1" "$url/api/v2/alerts"
}
fired() {
    curl -sf "$url/api/v2/alerts" | python3 -c 'import json, sys
print(" ".join(sorted(alert["labels"]["alertname"] for alert in json.load(sys.stdin))))'
}

good='{"labels": {"alertname": "good"}}'
bad='{"labels": {"alertname": "bad"}, "startsAt": "2020-01-02T00:00:00Z", "endsAt": "2020-01-01T00:00:00Z"}'
code="$(send "[$good, $bad]")"
echo "$code: $(cat answer); fired all the same: $(fired)"
[ "$code" = 400 ] && [ "$(fired)" = good ]

ahead="$(date -u -d '6 minutes' +%FT%TZ)"
code="$(send "[{\"labels\": {\"alertname\": \"ahead\"}, \"startsAt\": \"$ahead\"}]")"
echo "six minutes ahead, without an end: $code: $(cat answer)"
[ "$code" = 400 ] && grep -q 'start time must be before end time' answer
