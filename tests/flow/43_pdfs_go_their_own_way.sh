#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A documents pipeline that takes PDFs: good, broken and locked ones, beside other files.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

[ -e "$build/plugins/extract_pdf.so" ] || {
	echo 'skipped: the stage extract_pdf is not built, since poppler is not installed'
	trap - EXIT
	rm -rf "$work"
	exit 77
}
docs=$work/docs
mkdir "$docs"
configure
sed "s|\"/usr/share/doc\"|\"$docs\"|" "$top/examples/documents/with-pdf.conf" > "$work/pipelines.d/documents.conf"

# pdf TRAILER LINE...: readers mend what is missing of the table of objects
pdf() {
	local trailer=$1 content
	shift
	content=$(printf '(%s) Tj T* ' "$@")
	cat <<-END
		%PDF-1.4
		1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
		2 0 obj << /Type /Pages /Kids [ 3 0 R ] /Count 1 >> endobj
		3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [ 0 0 595 842 ] /Contents 4 0 R
		/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >> endobj
		4 0 obj << /Length $((${#content} + 37)) >> stream
		BT /F 12 Tf 72 720 Td 14 TL ${content}ET        
		endstream endobj
		5 0 obj << /Title (The keeping of otters) >> endobj
		trailer << /Root 1 0 R /Size 6 $trailer >>
		%%EOF
	END
}
pdf '/Info 5 0 R' 'The otter sleeps on its back, and holds' 'a paw of its neighbour.' > "$docs/otters.pdf"
printf '# Seals\n\nThe seal sleeps upright, and has no paw.\n' > "$docs/seals.md"
printf '%%PDF-1.4\nnothing of one\n' > "$docs/broken.pdf"
key=00112233445566778899aabbccddeeff
pdf "/ID [ <$key> <$key> ] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <$key$key> /U <$key$key> >>" 'secret' > "$docs/locked.pdf"

start_database
start_host one
reason() { sql "select string_agg(j.state || ' ' || f.code, ', ') from penstock.jobs j join penstock.job m on m.id = j.id
	join penstock.failure f on f.job = j.id where m.attributes->>'path' = '$docs/$1'"; }

ok 'a folder is enqueued' says '4 jobs' "$penstock" enqueue documents --folder "$docs"
ok 'the pipeline comes to an end' exits 1 "$penstock" wait documents --timeout 300s
is 'a PDF and a text are stored with their titles' 'Seals|The keeping of otters' "$(sql "select string_agg(title, '|' order by title) from documents.document")"
ok 'the text of the PDF is found' sql_is "select title from documents.search('a neighbour''s paw', 1)" 'The keeping of otters'
is 'a broken one is a dead letter' 'dead CORRUPT' "$(reason broken.pdf)"
is 'a locked one too' 'dead ENCRYPTED' "$(reason locked.pdf)"
ok 'the queue is in order' "$penstock" verify
