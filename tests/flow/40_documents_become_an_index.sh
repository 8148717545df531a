#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The documents pipeline over a folder with good, broken and hostile files, twice, and changed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

docs=$work/docs
mkdir -p "$docs/deeper" "$work/elsewhere"
configure
sed "s|\"/usr/share/doc\"|\"$docs\"|" "$top/examples/documents/documents.conf" > "$work/pipelines.d/documents.conf"

# ---- good ones
for i in 1 2 3 4 5 6 7 8; do
	cat > "$docs/page$i.html" <<-END
		<html lang="en"><head><title>Page $i</title><script>var nothing</script></head>
		<body><h1>Chapter $i</h1><p>The quick brown fox number$i jumps over the lazy dog.</p>
		<p>Another paragraph, about the elephant$i of the zoo.</p></body></html>
	END
done
printf '# Notes\n\nA *marked* text about giraffes.\n' > "$docs/notes.md"
printf 'Plain text about rhinoceroses.\n\nAnd a second block.\n' > "$docs/deeper/plain.txt"
printf '.TH zebra 1\n.SH NAME\nzebra \\- prints \\fBstripes\\fP\n.SH DESCRIPTION\nIt prints stripes.\n' | gzip > "$docs/deeper/zebra.1.gz"
printf 'Gr\374\337e aus K\366ln: \334ber den L\366wen und die Stra\337e.\n' > "$docs/latin1.txt"
# ---- and others
gzip -c "$docs/page1.html" | head -c 60 > "$docs/cut.html.gz"
: > "$docs/empty.txt"
head -c 100000 /dev/urandom > "$docs/random.bin"
head -c 17000000 /dev/zero | tr '\0' 'a' > "$docs/huge.txt"
printf '<html><body><script>alert(1)</script></body></html>' > "$docs/no_text.html"
mkfifo "$docs/fifo"
ln -s loop "$docs/loop"
ln -s nowhere "$docs/dangling"
echo 'a secret' > "$work/elsewhere/secret.txt"
ln -s ../elsewhere/secret.txt "$docs/leads_out.txt"
printf 'never read' > "$docs/closed.txt"
chmod 000 "$docs/closed.txt"

start_database
start_host one

reason() { sql "select coalesce(string_agg(state || ' ' || code, ', '), 'none') from (
	select distinct on (j.id) j.state, f.code from penstock.jobs j join penstock.job m on m.id = j.id
	join penstock.failure f on f.job = j.id
	where m.attributes->>'path' = '$docs/$1' and j.id > ${since:-0} order by j.id, f.id desc) x"; }
stored() { sql "select count(*) from documents.document where path = '$docs/$1'"; }

ok 'a folder is enqueued, a job for each file' says '22 jobs' "$penstock" enqueue documents --folder "$docs"
ok 'the pipeline comes to an end' exits 1 "$penstock" wait documents --timeout 300s
is 'a truncated gzip file is a dead letter' 'dead TRUNCATED' "$(reason cut.html.gz)"
is 'an empty file too' 'dead EMPTY' "$(reason empty.txt)"
is 'random bytes are not text' 'dead BINARY' "$(reason random.bin)"
is 'a huge file is refused' 'dead TOO_LARGE' "$(reason huge.txt)"
is 'a FIFO does not keep the worker' 'dead NOT_A_FILE' "$(reason fifo)"
is 'a loop of links is told' 'dead SYMLINK_LOOP' "$(reason loop)"
is 'a link to nowhere too' 'dead NOT_FOUND' "$(reason dangling)"
is 'a link that leads out of the roots is not followed' 'dead OUTSIDE_ROOTS' "$(reason leads_out.txt)"
is 'a page without text is discarded' 'discarded NO_TEXT' "$(reason no_text.html)"
if [ "$(id -u)" -eq 0 ]; then
	is 'root reads what is closed to others' 1 "$(stored closed.txt)"
	good=13
else
	is 'a file that may not be read is told' 'dead UNREADABLE' "$(reason closed.txt)"
	good=12
fi
is 'all others are stored' "$good" "$(sql 'select count(*) from documents.document')"
is 'each with its effect once' "$good" "$(sql 'select count(*) from documents.effect')"
is 'a text in another encoding is UTF-8 now' 1 "$(sql "select count(*) from documents.passage where body like 'Grüße aus Köln%'")"
is 'a search finds the page and its heading' "Page 3|Chapter 3" "$(sql "select title, heading from documents.search('elephant3', 1)")"
is 'and the manual page by its name' 'zebra(1)' "$(sql "select title from documents.search('stripes', 1)")"
ok 'the reasons are listed with their number' says 'TRUNCATED' "$penstock" status documents

# ---- again, and after a change
since=$(sql 'select max(id) from penstock.job')
printf '<html lang="en"><head><title>Page 3</title></head><body><p>Now about a hippopotamus.</p></body></html>' > "$docs/page3.html"
cp "$docs/page2.html" "$docs/twin.html"
"$penstock" enqueue documents --folder "$docs" > /dev/null
"$penstock" wait documents --timeout 300s -q
is 'a second time every unchanged document ends at once' 'discarded UNCHANGED' "$(reason page1.html)"
is 'the same bytes under another name too' 'discarded DUPLICATE' "$(reason twin.html)"
is 'a changed one is replaced' 'Now about a hippopotamus.' "$(sql "select string_agg(body, '|') from documents.passage p join documents.document d on d.id = p.document where d.path = '$docs/page3.html'")"
is 'and is one document still' "$good" "$(sql 'select count(*) from documents.document')"
is 'its old words are not found any more' 0 "$(sql "select count(*) from documents.search('elephant3') where path = '$docs/page3.html' and passage like '%elephant3%'")"
ok 'the queue is in order' "$penstock" verify
