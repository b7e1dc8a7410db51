#!/usr/bin/env bash
# Fuzzes the built gateway from its own description: every check of schemathesis, single calls and stories of calls that
# follow the description's links. No 5xx and nothing beyond the description may come back (but the 501 of what is about
# users). It needs Python 3.10 or newer.
set -euo pipefail
cd "$(dirname "$0")/../.."
VERSION=4.32.5
LEAST=5000
here=$PWD/tests/api
portcullis=$PWD/target/debug/portcullis
tools=$PWD/target/schemathesis-$VERSION

if ! python3 -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)' 2>/dev/null; then
    echo "SKIPPED: there is no Python 3.10 with venv here, so the API was NOT fuzzed"
    exit 0
fi
if [ ! -e "$tools/installed" ]; then
    python3 -m venv --clear "$tools"
    if ! "$tools/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION" 2>"$tools/log"; then
        cat "$tools/log"
        # The words of pip without a network.
        grep -qiE "failed to establish|name resolution|timed out|network is unreachable|connection refused" "$tools/log" || exit 1
        echo "SKIPPED: the registry of Python packages cannot be reached from here, so the API was NOT fuzzed"
        exit 0
    fi
    touch "$tools/installed"
fi

work=$(mktemp -d)
# The tool leaves files where it stands.
cd "$work"
gateway=
finish() {
    [ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
read -r public private < <(python3 -c '
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in taken))')
cat >"$work/portcullis.toml" <<CONFIG
[server]
listen = ["127.0.0.1:$public"]
[admin]
listen = "127.0.0.1:$private"
[log]
access = false
[upstreams.nothing]
servers = ["127.0.0.1:9"]
[[upstreams.nothing.rules]]
access = "token"
CONFIG

field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
run() { "$portcullis" -c "$work/portcullis.toml" "$@" --format json 2>/dev/null; }
# The client belongs to an organisation that no call can touch.
owner=$(run org create "Owner of the client" | field id)
client=$(run client create --org "$owner" --name caller --scope a --scope b --audience https://a --audience https://b)
root=$(run org create "Caller")
leaf=$(run org create "One that ends" --parent "$(field id <<<"$root")")
export HOOKS=$here/hooks.py CLIENT_ID CLIENT_SECRET ORGANIZATION_ID ORGANIZATION_KEY
CLIENT_ID=$(field client_id <<<"$client")
CLIENT_SECRET=$(field client_secret <<<"$client")

"$portcullis" -c "$work/portcullis.toml" serve >"$work/log" 2>&1 &
gateway=$!

# As an organisation, with these options.
cases=0
fuzz() {
    ORGANIZATION_ID=$(field id <<<"$1")
    ORGANIZATION_KEY=$(field api_key <<<"$1")
    shift
    local failed=
    "$tools/bin/st" --config-file "$here/schemathesis.toml" run "http://127.0.0.1:$private/openapi.json" \
        --wait-for-schema 10 --checks all --seed "${SEED:-1}" --warnings off --no-color "$@" >"$work/report" 2>&1 || failed=1
    local generated
    generated=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$work/report")
    cases=$((cases + ${generated:-0}))
    if [ -n "$failed" ]; then
        cat "$work/report"
        exit 1
    fi
    sed -n '/Test Phases:/,/^$/p; s/^ *\([0-9]* generated.*\)/    \1/p' "$work/report"
}

# What ends the caller's own credentials is called last, by an organisation that nobody needs.
ends=(rotateOrganizationKey deleteOrganization)
echo "single calls"
fuzz "$root" --phases examples,coverage,fuzzing --max-examples 200 "${ends[@]/#/--exclude-operation-id=}"
echo "stories"
STATEFUL=1 fuzz "$root" --phases stateful --max-examples 250 "${ends[@]/#/--exclude-operation-id=}"
echo "calls that end the caller's credentials"
fuzz "$leaf" --phases examples,coverage,fuzzing --max-examples 50 "${ends[@]/#/--include-operation-id=}"

if grep -E '"level":"ERROR"' "$work/log"; then
    echo "the gateway logged errors"
    exit 1
fi
echo "$cases cases in all"
[ "$cases" -ge "$LEAST" ] || { echo "these are fewer than $LEAST"; exit 1; }
