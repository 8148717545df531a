#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The metrics of a host as Prometheus reads them: names and numbers, whatever a
# client sends, while the database is away, and when the process that serves
# them is killed.
# shellcheck source=tests/flow/lib.sh
. "$(dirname "$0")/lib.sh"

port=$((20000 + $$ % 12000)) # below those that the kernel gives to clients
while (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do port=$((port + 1)); done
configure 'workers = 2; http_interval = "100ms"; http_timeout = "600s"; http_connections = 310;' "http = \"127.0.0.1:$port\"; http_hosts = \"metrics.example, other\";"
pipeline words 'name = "first"; plugin = "outcome"; durable = true' 'name = "last"; plugin = "count"; durable = true'
start_database
start_host mill

# shellcheck disable=SC2120
page() { curl -sS -m 90 "$@" "http://127.0.0.1:$port/metrics"; }
code() { curl -sS -m 90 -o /dev/null -w '%{http_code}' "$@"; }
value() { page | grep -v '^#' | grep -F -e "$1 " | head -n 1 | sed 's/.* //'; }
has() { [ "$(value "$1")" = "$2" ] || { echo "$1 is '$(value "$1")', expected $2"; return 1; }; }
# raw TEXT: what the server answers to these bytes
raw() {
	exec 7<> "/dev/tcp/127.0.0.1/$port"
	printf '%b' "$1" >&7
	timeout 90 cat <&7
	exec 7>&-
}
first_line() { raw "$1" | head -n 1 | tr -d '\r'; }

ok 'the page comes' wait_for 90 has penstock_database_up 1
enqueue_n words 50 '{"do": "done"}'
enqueue_n words 7 '{"do": "discard"}'
ok 'all jobs end' "$penstock" wait -q --timeout 300s
ok 'outcomes are counted' wait_for 90 has 'penstock_jobs_total{pipeline="words",stage="first",outcome="done"}' 50
ok 'and those without success' wait_for 90 has 'penstock_jobs_total{pipeline="words",stage="first",outcome="discarded"}' 7
ok 'each job is in the histogram' wait_for 90 has 'penstock_stage_duration_seconds_count{pipeline="words",stage="last"}' 50
"$penstock" pause words first > /dev/null
enqueue_n words 12
ok 'the queue is seen' wait_for 90 has 'penstock_queue_depth{pipeline="words",stage="first",state="ready"}' 12
ok 'the workers are seen' wait_for 90 has 'penstock_workers{state="idle"}' 2

if command -v promtool > /dev/null; then
	ok 'promtool has nothing to say' bash -c "curl -sS http://127.0.0.1:$port/metrics | promtool check metrics"
else
	echo 'promtool is not here: not tried'
fi
ok 'OpenMetrics on request' says '# EOF' page -H 'Accept: application/openmetrics-text; version=1.0.0'
ok 'with its type' says 'application/openmetrics-text; version=1.0.0' page -o /dev/null -D - -H 'Accept: application/openmetrics-text'
is 'no label holds a job' 0 "$(page | grep -c 'job=')"

# ---- bad inputs

is 'another host name' 421 "$(code -H 'Host: evil.example' "http://127.0.0.1:$port/metrics")"
is 'a name that is allowed' 200 "$(code -H "Host: metrics.example:$port" "http://127.0.0.1:$port/metrics")"
is 'another page' 404 "$(code "http://127.0.0.1:$port/admin")"
is 'POST' 405 "$(code -d x=1 "http://127.0.0.1:$port/metrics")"
is 'DELETE' 405 "$(code -X DELETE "http://127.0.0.1:$port/metrics")"
is 'HEAD' 200 "$(code -I "http://127.0.0.1:$port/metrics")"
# The server answers and closes with a part of it unread, which may take the answer from the client: then it asks again.
too_large() {
	local line=
	for _ in $(seq 20); do
		line=$(first_line "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: $(head -c 18000 /dev/zero | tr '\0' x)\r\n\r\n")
		if [ "$line" ]; then break; fi
	done
	echo "$line"
}
is 'a header that is too large' 'HTTP/1.1 431 Request Header Fields Too Large' "$(too_large)"
is 'a length and chunks' 'HTTP/1.1 400 Bad Request' "$(first_line 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n')"
is 'two lengths' 'HTTP/1.1 400 Bad Request' "$(first_line 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc')"
is 'no host' 'HTTP/1.1 400 Bad Request' "$(first_line 'GET /metrics HTTP/1.1\r\n\r\n')"
ok 'noise is no request' says 'HTTP/1' raw '\001\002\003 \377\r\n\r\n'
ok 'the page still comes' wait_for 90 has penstock_database_up 1

# for these alone the time is short: any client may be slower than that
ok 'the host ends' stop_host "$host"
sed -i 's/http_timeout = "600s"/http_timeout = "500ms"/' "$work/penstock.conf"
start_host mill
answers() { first_line 'GET /metrics HT' | grep -q '^HTTP/1.1 408'; }
ok 'a client that does not go on is told' wait_for 90 answers
is 'and one that says nothing' 'HTTP/1.1 408 Request Timeout' "$(first_line '')"

# ---- 300 clients at once, and more than the limit

ok 'the host ends' stop_host "$host"
sed -i 's/http_timeout = "500ms"/http_timeout = "600s"/' "$work/penstock.conf"
start_host mill
ok 'the page comes again' wait_for 90 has penstock_database_up 1
"$penstock" resume words first > /dev/null
ok 'the jobs go on' "$penstock" wait -q --timeout 300s
held=()
for ((i = 0; i < 300; i++)); do
	exec {fd}<> "/dev/tcp/127.0.0.1/$port"
	held+=("$fd")
	printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"$fd"
done
answered=0
for fd in "${held[@]}"; do
	read -r -t 90 -u "$fd" line
	[ "$line" = $'HTTP/1.1 200 OK\r' ] && answered=$((answered + 1))
done
is '300 clients are answered and held' 300 "$answered"
web=$(pgrep -P "$host" -x penstock-web)
case $build in
*/tsan) ;; # which has threads of its own
*) is 'by a process that has three threads, one of which serves' 3 "$(find "/proc/$web/task" -mindepth 1 -maxdepth 1 | wc -l)" ;;
esac
ok 'they are counted' wait_for 90 eval '[ "$(value penstock_http_connections)" -gt 300 ]'
for ((i = 0; i < 9; i++)); do exec {fd}<> "/dev/tcp/127.0.0.1/$port"; held+=("$fd"); done
is 'one more than the limit is told' 503 "$(for ((i = 0; i < 40; i++)); do c=$(code "http://127.0.0.1:$port/metrics"); exec {fd}<> "/dev/tcp/127.0.0.1/$port"; [ "$c" = 503 ] && break; done; echo "$c")"
for fd in "${held[@]}"; do exec {fd}>&-; done
refused() { [ "$(value 'penstock_http_refused_total{code="503"}')" -ge 1 ]; } # before they had gone for certain, too
ok 'and none when the others have gone' wait_for 90 refused

# ---- its process dies; the database goes away

kill -KILL "$web"
enqueue_n words 20 '{"do": "done"}'
ok 'jobs do not mind' "$penstock" wait -q --timeout 300s
ok 'it is started again' wait_for 90 has penstock_database_up 1
ok 'with the counters that there were' wait_for 90 has 'penstock_jobs_total{pipeline="words",stage="last",outcome="done"}' 32
is 'no host process died' 0 "$(value penstock_host_process_deaths_total)"
"$cluster" kill9 "$work/pg"
ok 'without the database the page comes' wait_for 90 has penstock_database_up 0
is 'and says nothing of queues' 0 "$(page | grep -c '^penstock_queue_depth{')"
if command -v promtool > /dev/null; then
	ok 'the alert rules are rules' promtool check rules "$top/packaging/monitoring/prometheus-rules.yml"
	ok 'and fire when they should' promtool test rules "$top/packaging/monitoring/prometheus-rules.test.yml"
fi
ok 'the dashboard is JSON' jq -e .panels "$top/packaging/monitoring/grafana-dashboard.json"
