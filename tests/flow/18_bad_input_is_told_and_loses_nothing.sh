#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every door that people and stages come in by, with what does not belong there: one row says what
# was given, the exit code and the words of the answer. Configuration, SQL and plugin files have
# tables of their own (test_config_mistakes.c, 11_bad_arguments.sql, zoo.def).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure
pipeline p 'name = "a"; plugin = "echo";' 'name = "b"; plugin = "insert";'
pipeline rude 'name = "only"; plugin = "rude";'
pipeline odd 'name = "only"; plugin = "outcome";'
start_database
sql 'create table effect (job bigint); grant insert on effect to penstock_host'
start_host one

# row "what was given" EXIT-CODE TEXT COMMAND...: whatever it says has no byte that a terminal obeys
row() {
	local what=$1 want=$2 text=$3 got out
	shift 3
	out=$("$@" 2>&1 | tr '\033' '\001'; exit "${PIPESTATUS[0]}")
	got=$?
	case "$got $out" in
	*$'\001'* | *$'\302\233'*) is "$what" 'no byte that a terminal obeys' "$out" ;;
	"$want "*"$text"*) is "$what" yes yes ;;
	*) is "$what" "exit code $want: $text" "exit code $got: $out" ;;
	esac
}
p() { "$penstock" "$@"; }
full() { "$@" > /dev/full; }
lines() { printf "$1" | p enqueue p --lines -; }

# ---- the command line

row 'an unknown command'               2 "did you mean \`lanes\`?"          p lans
row 'an unknown command of two words'  2 "did you mean"                   p job shwo 1
row 'half a command'                   2 'there is `job show`, `job cancel`' p job
row 'an unknown option'                2 "did you mean \`--pipeline\`?"     p lanes --piepline p
row 'an unknown letter'                2 "-Z"                             p lanes -Z
row 'an option without its value'      2 '--limit wants a value'                         p jobs --limit
row 'a value for an option that has none' 2 '--quiet takes no value'                      p lanes --quiet=yes
row 'too few arguments'                2 'PIPELINE is missing'                      p enqueue
row 'too few behind one that may be left out' 2 'NEW is missing'          p config diff
row 'too many arguments'               2 'usage'                          p job show 1 2
row 'no number'                        2 "'x'"                            p job show x
row 'a number beyond 64 bits'          2 '99999999999999999999'           p job show 99999999999999999999
row 'a negative number'                2 '-5'                             p job show -- -5
row 'an unknown setting'               2 "did you mean 'workers'?"        p check -s workrs=1
row 'a setting without a value'        2 'workers'                        p check -s workers
row 'a setting out of its range'       2 '0 to 1024'                      p check -s workers=9999
row 'a duration that is none'          2 "--timeout: 'soon'"                          p wait p --timeout soon
row 'a configuration that is not there' 2 '/nowhere/penstock.conf'        p check -c /nowhere/penstock.conf
row 'a word that is not among the few' 2 'ready running'                  p jobs --state finished
row 'a filter without its value'       2 'NAME=VALUE'                     p jobs --attribute name
row 'escape bytes in an argument'      2 '[31m'                           p $'la\e[31mnes'
row 'escape bytes in an option'        2 '[31m'                           p lanes $'--\e[31mred'
row 'a C1 byte in the name of a pipeline' 2 'there is no pipeline'        p enqueue $'p\xc2\x9b31m'
row 'escape bytes in the name of a pipeline' 2 'there is no pipeline'     p enqueue $'p\e[31m'
row 'invalid UTF-8 in the name of a pipeline' 2 ''                        p enqueue $'p\xff'

# ---- what is not there

row 'a job to show'                    1 'there is no job 424242'         p job show 424242
row 'a job to cancel'                  1 'there is no job 424242'         p job cancel 424242
row 'a job to retry'                   1 'there is no job 424242'         p job retry 424242
row 'a job with an output'             1 'there is no job 424242'         p job output 424242
row 'a dead letter to show'            1 '424242'                         p dead show 424242
row 'a dead letter to replay'          1 'there is no job 424242'         p dead replay 424242
row 'a schedule'                       2 "there is no schedule 'nothing'"                        p schedule run nothing
row 'a schedule to drop'               1 "there is no schedule 'nothing'" p schedule drop nothing
row 'a pipeline of jobs'               2 "there is no pipeline 'pp'"      p jobs --pipeline pp
row 'a stage of jobs'                  2 "there is no stage 'zzz' in pipeline 'p'" p jobs --pipeline p --stage zzz
row 'a pipeline of dead letters'       2 "there is no pipeline 'pp'"      p dead list -p pp
row 'a pipeline of jobs to cancel'     2 "there is no pipeline 'pp'"      p jobs cancel -p pp --confirm
row 'a pipeline of lanes'              2 "there is no pipeline 'pp'"      p lanes --pipeline pp
row 'a pipeline of the status'         2 "there is no pipeline 'pp'"      p status pp
row 'a pipeline to pause'              2 "there is no pipeline 'pp'"      p pause pp
row 'a stage to pause'                 2 "'zzz'"                          p pause p zzz
row 'a pipeline to wait for'           2 "'pp'"                           p wait pp
row 'a plugin'                         2 'did you mean'                   p plugin inspect ech

# ---- a disk that is full

row 'a list'                           1 'No space left on device'                full p lanes
row 'JSON'                             1 'No space left on device'                full p lanes --json
row 'help'                             1 'No space left on device'                full p help
row 'the version'                      1 'No space left on device'                full p --version
row 'the id of a job'                  1 'No space left on device'                full p enqueue p

# ---- payload at enqueue

jobs_then=$(sql 'select count(*) from penstock.job')
row 'an array'                         2 'not a JSON object'              p enqueue p '[1]'
row 'a text'                           2 'not a JSON object'              p enqueue p '"x"'
row 'nothing'                          2 'not a JSON object'              p enqueue p ''
row 'half an object'                   2 'at byte 5'                      p enqueue p '{"a":'
row 'two objects'                      2 'more text after the value'      p enqueue p '{}{}'
row 'NUL in a text'                    2 'at byte 7'                      p enqueue p '{"a": "\u0000"}'
row 'a number beyond a double'         2 'number beyond a double'         p enqueue p '{"a": 1e400}'
row 'half a surrogate pair'            2 'half of a surrogate pair'       p enqueue p '{"a": "\ud800"}'
row 'invalid UTF-8'                    2 'invalid UTF-8 at byte 7'        p enqueue p $'{"a": "\xff"}'
row 'nested too deeply'                2 'deeper than 64'                 p enqueue p "{\"a\": $(printf '[%.0s' {1..70})$(printf ']%.0s' {1..70})}"
row 'a NUL byte in a line'             2 'stdin:2'                        lines '{}\n{"a": "\0"}\n'
row 'invalid UTF-8 in a line'          2 'stdin:2: invalid UTF-8'         lines '{}\n{"a": "\377"}\n'
row 'a line that is too long'          2 'stdin:1'                        bash -c "(printf '{\"a\": \"'; head -c 1100000 /dev/zero | tr '\\0' x; printf '\"}\n') | '$penstock' enqueue p --lines -"
row 'a body that is too large'         2 '64'                             bash -c "truncate -s 67108865 '$work/large'; '$penstock' enqueue p --body '$work/large'"
row 'a body that is not there'         2 '/nowhere: No such file'                        p enqueue p --body /nowhere
row 'lines that are not there'         2 '/nowhere: No such file'                        p enqueue p --lines /nowhere
row 'a folder that is not there'       2 '/nowhere: No such file'                        p enqueue p --folder /nowhere
row 'a priority beyond 16 bits'        2 '--priority: 40000 is out of range: -32768'                        p enqueue p --priority 40000
row 'a time that is none'              2 'a time is written as'           p enqueue p --at tomorrowish
row 'a trace context that is none'     2 'of 32, 16 and 2 hex digits'     p enqueue p --traceparent 00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
row 'an infinite time'                 2 'finite'                         p enqueue p --at infinity
row 'a key that is too long'           2 '1 to 255 characters, not 256'   p enqueue p --key "$(printf 'k%.0s' {1..256})"
row 'an empty key'                     2 '1 to 255 characters, not 0'     p enqueue p --key ''
row 'an ordering key that is too long' 2 '1 to 255 characters'            p enqueue p --ordering-key "$(printf 'k%.0s' {1..256})"
is 'none of these is a job' "$jobs_then" "$(sql 'select count(*) from penstock.job')"

# ---- payload at claim: SQL takes JSON that no stage could read

deep="{\"a\": $(printf '[%.0s' {1..70})$(printf ']%.0s' {1..70})}"
ids=$(sql "select string_agg(id::text, ' ' order by o) from unnest(penstock.enqueue_many('p', array[
	'{\"n\": 1}', '{\"a\": \"\\u0000\"}', '{\"n\": 2}', '{\"a\": 1e400}', '{\"n\": 3}', '$deep', '{\"a\": \"\\ud800\"}', '{\"n\": 4}']::json[]))
	with ordinality u(id, o)")
read -r good1 nul good2 number good3 nested half good4 <<< "$ids"
ended() { sql_is "select count(*) from penstock.jobs where id in (${ids// /,}) and state in ('completed', 'dead')" 8; }
ok 'jobs that no stage could read come to an end with the others' wait_for 90 ended
is 'the others are done' "$good1 $good2 $good3 $good4" "$(sql "select string_agg(id::text, ' ' order by id) from penstock.jobs where id in (${ids// /,}) and state = 'completed'")"
is 'each with its effect once' "$good1 $good2 $good3 $good4" "$(sql "select string_agg(job::text, ' ' order by job) from effect where job in (${ids// /,})")"
is 'and uncharged' 0 "$(sql "select count(*) from penstock.failure where job in ($good1, $good2, $good3, $good4)")"
why() { sql "select code || ': ' || message from penstock.failure where job = $1"; }
is 'NUL is told with its place' 'BAD_MESSAGE: its attributes cannot be read: \u0000, which no text of PostgreSQL can hold, at byte 7' "$(why "$nul")"
is 'a number beyond a double too' 'BAD_MESSAGE: its attributes cannot be read: number beyond a double at byte 6' "$(why "$number")"
is 'depth too' 'BAD_MESSAGE: its attributes cannot be read: nested deeper than 64 levels at byte 69' "$(why "$nested")"
is 'half a surrogate pair too' 'BAD_MESSAGE: its attributes cannot be read: half of a surrogate pair at byte 7' "$(why "$half")"

# ---- texts of plugins

texts=(control utf8 c1 percent none empty huge)
for text in "${texts[@]}"; do p enqueue rude "{\"text\": \"$text\"}"; done > "$work/rude.ids"
mapfile -t rude < "$work/rude.ids"
ok 'whatever text a stage fails with, its job is a dead letter' wait_for 90 sql_is "select count(*) from penstock.jobs where pipeline = 'rude' and state = 'dead'" 7
is 'control bytes become blanks' 'CON__31MTROL: [31mred     bell' "$(why "${rude[0]}" | sed 's/  *bell/     bell/; s/:  */: /')"
is 'broken characters are replaced' 'UTF_8' "$(sql "select code from penstock.failure where job = ${rude[1]}")"
is 'and the rest is kept' 'half % of % a % sign' "$(sql "select regexp_replace(message, U&'\\FFFD+', '%', 'g') from penstock.failure where job = ${rude[1]}")"
is "a terminal's own bytes become blanks" "C1: a  31m terminal's   own" "$(why "${rude[2]}" | sed 's/a *31m/a  31m/; s/s *own/s   own/')"
is 'what looks like a format or SQL is text' "_S_N: %s %n %s {\"a\": 'b'} \\ '; drop table penstock.job; --" "$(why "${rude[3]}")"
is 'no text is none' 1 "$(sql "select count(*) from penstock.failure where job = ${rude[4]}")"
is 'an empty one too' 1 "$(sql "select count(*) from penstock.failure where job = ${rude[5]}")"
is 'a huge one is cut' t "$(sql "select length(code) <= 64 and length(message) between 100 and 10000 from penstock.failure where job = ${rude[6]}")"
for id in "${rude[@]}"; do
	row "dead letter $id is shown" 0 "$id" p dead show "$id"
	row 'as JSON' 0 "$id" p dead show "$id" --json
done
row 'they are listed' 0 'CON__31MTROL' p dead list
row 'status has them, too' 0 'rude' p status

# ---- data that is hostile to terminals

p enqueue odd $'{"do": "snooze", "delay_ms": 3600000, "a": "\xc2\x9b31m"}' > "$work/id"
row 'a job with such attributes' 0 '31m' p job show "$(cat "$work/id")"
row 'in a list' 0 'odd' p jobs --pipeline odd
mkdir "$work/folder"
touch "$work/folder/"$'\e[31mred' "$work/folder/"$'\xff'
row 'a folder with such names' 0 '' p enqueue odd --folder "$work/folder"

ok 'the host lives' test "$(grep -c 'a host process died' "$work/one.log")" -eq 0
ok 'and says nothing that a terminal obeys' bash -c "! grep -q $'\e' '$work/one.log'"
ok 'the queue is in order' p verify -q
ok 'the host drains' stop_host "$host"
