#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The documents pipeline with vectors from a server that is busy, refuses a text, and hangs.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

if ! command -v node > /dev/null || ! command -v openssl > /dev/null; then
	echo 'skipped: node or openssl is not here'
	trap - EXIT
	rm -rf "$work"
	exit 77
fi
export no_proxy='*'
docs=$work/docs
mkdir -p "$docs"
n=${TEXTS:-499}
for i in $(seq "$n"); do echo "Text number $i, about nothing." > "$docs/text$i.txt"; done
echo 'A forbidden text.' > "$docs/forbidden.txt"

# No answer before all texts have been asked for: so that many requests have to be out at once. Then
# the first 100 are told to come again; what is forbidden is refused. With the file `hang` there is
# no answer at all.
cat > "$work/server.js" <<'END'
const fs = require('fs'), dir = process.argv[2], all = Number(process.argv[3]);
let asked = 0, held = [];
const say = (res, status, body, headers) => {
	const send = () => { res.writeHead(status, headers); res.end(body); };
	if (asked > all) return send();
	held.push(send);
	if (asked === all) held.forEach((f) => f());
};
require('http').createServer((req, res) => {
	let text = '';
	req.on('data', (part) => text += part);
	req.on('end', () => {
		const { model, input } = JSON.parse(text);
		fs.writeFileSync(dir + '/asked', String(++asked));
		if (fs.existsSync(dir + '/hang')) return;
		if (req.headers.authorization !== 'Bearer the-key') return say(res, 401, 'no key');
		if (asked <= 100) return say(res, 429, 'slow down', { 'Retry-After': '1' });
		if (input.some((t) => t.includes('forbidden'))) return say(res, 400, 'this text is refused');
		const data = input.map((t, index) => ({ index, embedding: [t.length, -1, 0, 0, 0, 0, 0, 0.5] }));
		say(res, 200, JSON.stringify({ model, data }));
	});
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(dir + '/port', String(this.address().port)); });
END
node "$work/server.js" "$work" $((n + 1)) > "$work/server.log" 2>&1 &
hosts+=("$!")
wait_for 90 test -s "$work/port" || { failed=1; exit 1; }

(umask 077 && echo the-key > "$work/key")
configure 'workers = 1; drain = "300ms";'
pipeline documents "name = \"detect\"; plugin = \"detect\"; options: { roots = [ \"$docs\" ]; };" \
	'name = "extract"; plugin = "extract";' 'name = "chunk"; plugin = "chunk";' \
	"name = \"embed\"; plugin = \"embed_http\"; max_attempts = 30;
	 options: { endpoint = \"http://127.0.0.1:$(cat "$work/port")/v1/embeddings\"; model = \"m\"; dimensions = 8;
	            key_file = \"$work/key\"; timeout = \"600s\"; };" \
	'name = "store"; plugin = "store";'
start_database
start_host one

ok 'a folder is enqueued' says "$((n + 1)) jobs" "$penstock" enqueue documents --folder "$docs"
ok 'one worker has all of them out at once, and comes to an end though the server was busy' exits 1 "$penstock" wait documents --timeout 300s
is 'each text is stored once' "$n" "$(sql 'select count(*) from documents.effect')"
is 'with the vector that the server gave it' "$n" \
	"$(sql 'select count(*) from documents.passage where vector[1] = length(body) and vector[2] = -1 and vector[8] = 0.5')"
is 'what the server refuses is a dead letter with its words' 'HTTP_400 the server answers 400: this text is refused' \
	"$(sql "select distinct f.code || ' ' || f.message from penstock.jobs j join penstock.failure f on f.job = j.id where j.state = 'dead' and f.code <> 'HTTP_429'")"
is 'who was told to wait, and only those, used up an attempt' 100 "$(sql "select count(*) from penstock.failure where code = 'HTTP_429'")"
is 'nothing else failed, nothing timed out' 'HTTP_400 1, HTTP_429 100' \
	"$(sql "select string_agg(code || ' ' || n, ', ' order by code) from (select code, count(*) n from penstock.failure group by 1) x")"
ok 'the key is in no log' exits 1 grep -q the-key "$work/one.log"

# ---- a stop, while the server hangs
touch "$work/hang"
rm "$docs"/*
echo 'A text that nobody answers for.' > "$docs/late.txt"
before=$(cat "$work/asked")
"$penstock" enqueue documents --folder "$docs" > /dev/null
asked_again() { [ "$(cat "$work/asked")" -gt "$before" ]; }
ok 'the next text is asked for' wait_for 90 asked_again
ok 'a host stops while the server hangs' stop_host "$host"
is 'the job is ready again, uncharged' 1 "$(sql "select count(*) from penstock.jobs where state = 'ready' and attempt = 0")"
rm "$work/hang"
start_host two
ok 'the next host asks anew' "$penstock" wait documents --timeout 300s
is 'and has it stored' 1 "$(sql "select count(*) from documents.passage where body like 'A text that nobody%'")"
ok 'the queue is in order' "$penstock" verify

# ---- with TLS and HTTP/2: 200 requests, 64 at once, over few connections
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/tls.key" -out "$work/tls.pem" -days 2 \
	-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2> "$work/openssl.log"
cat > "$work/secure.js" <<'END'
const fs = require('fs'), dir = process.argv[2];
let connections = 0;
require('http2').createSecureServer({ key: fs.readFileSync(dir + '/tls.key'), cert: fs.readFileSync(dir + '/tls.pem') }, (req, res) => {
	let text = '';
	req.on('data', (part) => text += part);
	req.on('end', () => res.end(JSON.stringify({ data: JSON.parse(text).input.map((t, index) =>
		({ index, embedding: [t.length, 1, 1, 1, 1, 1, 1, 1] })) })));
}).on('session', () => fs.writeFileSync(dir + '/connections', String(++connections)))
	.listen(0, '127.0.0.1', function () { fs.writeFileSync(dir + '/secure', String(this.address().port)); });
END
node "$work/secure.js" "$work" > "$work/secure.log" 2>&1 &
hosts+=("$!")
wait_for 90 test -s "$work/secure" || { failed=1; exit 1; }
{
	printf 'PSPG\1\0\0\0\310\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0'
	for _ in $(seq 200); do printf '\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0'; done
	printf hello
} > "$work/passages"
over_tls() {
	"$penstock" plugin test "$build/plugins/embed_http.so" -b "$work/passages" \
		-o "endpoint = \"https://127.0.0.1:$(cat "$work/secure")/\"; model = \"m\"; dimensions = 8; batch = 1; max_in_flight = 64; $1"
}
ok 'a certificate that nobody vouches for is not trusted' says 'TLS' over_tls ''
ok 'one of ca_file is' says 'DONE' over_tls "ca_file = \"$work/tls.pem\";"
ok 'HTTP/2 shares connections' test "$(cat "$work/connections")" -le 20
