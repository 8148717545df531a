#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Tab in bash, zsh and fish as a person presses it, and a page of the manual
# for each command; config diff. Shells that are not there are skipped, aloud.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

configure
pipeline letters 'name = "sort"; plugin = "echo";' 'name = "send"; plugin = "echo";'
pipeline parcels 'name = "weigh"; plugin = "echo";'
mkdir -p "$work/bin" "$work/files/folder-one"
ln -s "$penstock" "$work/bin/penstock"
touch "$work/files/file-one"
export PATH=$work/bin:$PATH

# the table of commands, as the manual has it: "jobs cancel" ...
mapfile -t commands < <("$penstock" help --markdown | sed -n 's/^## penstock \([a-z ]*[a-z]\).*/\1/p')
ok 'the table of commands is read' test "${#commands[@]}" -gt 20

# ---- what the program answers

# offers WORD WORD... : completing the words, the last of which may be empty, offers WORD
offers() {
	local want=$1
	shift
	"$penstock" completion words -- "$@" | cut -f 1 | grep -qxF -e "$want" ||
		{ echo "$* does not offer $want: $("$penstock" completion words -- "$@" | cut -f 1 | tr '\n' ' ')"; return 1; }
}
options_of() { "$penstock" "$@" --help | sed -n 's/^  .\{4\}\(--[a-z-]*\).*/\1/p'; }
is_offered() { # each command is offered at the place of its last word, each option behind it
	local c option
	for c in "${commands[@]}"; do
		read -ra words <<< "$c"
		offers "${words[-1]}" "${words[@]:0:${#words[@]}-1}" '' || return 1
		for option in $(options_of "${words[@]}"); do offers "$option" "${words[@]}" -- || return 1; done
	done
}
ok 'each command and each of its options is offered' is_offered
ok 'pipelines of the configuration are' offers letters enqueue ''
ok 'also of another one' offers parcels -c "$work/penstock.conf" wait ''
ok 'stages of the pipeline' offers weigh pause parcels ''
is 'and of no other' weigh "$("$penstock" completion words -- pause parcels '')"
ok 'the few words that an option takes' offers --state=dead jobs --state=d
ok 'settings' offers workers= run -s work
is 'an option that takes any text offers nothing' '' "$("$penstock" completion words -- enqueue letters --key '')"
is 'a broken configuration is no reason to shout' '' "$("$penstock" completion words -- -c /dev/null/no enqueue '' 2>&1)"
ok 'a word that is not among the few is refused' exits 2 "$penstock" jobs --state finished
ok 'and the few are told' says 'ready running' "$penstock" jobs --state finished
ok 'an unknown shell is refused' exits 2 "$penstock" completion csh

# ---- bash and zsh, on a terminal

# Lines typed up to a Tab, and the words that they must become: "typed|words"
{
	for c in "${commands[@]}"; do
		# where the name without its last letter could be another, Tab can only ring
		short=${c%?} last=${c##* }
		first=
		[ "$last" = "$c" ] || first=${c% *}
		# shellcheck disable=SC2086
		n=$("$penstock" completion words -- $first "${last%?}" | grep -vc '^:')
		[ "$n" -eq 1 ] && echo "$short|$c"
	done
	echo 'jobs --state rea|jobs --state ready'
	echo 'jobs --state=rea|jobs --state=ready'
	echo 'enqueue lett|enqueue letters'
	echo 'pause parcels wei|pause parcels weigh'
	echo 'enqueue letters --trace|enqueue letters --traceparent'
	echo 'enqueue letters --body fil|enqueue letters --body file-one'
	echo 'enqueue letters --body=fil|enqueue letters --body=file-one'
	echo 'enqueue letters --folder f|enqueue letters --folder folder-one/'
	echo 'run -s processe|run -s processes='
	echo 'run --set processe|run --set processes='
} > "$work/lines"
ok 'there are lines to type' test "$(wc -l < "$work/lines")" -gt 25

cat > "$work/rc" <<END
got() { printf '%s\n' "\$*" >> '$work/got'; }
cd '$work/files'
PS1=@
END
# press SHELL...: types each line, Tab, goes to its start, writes "got ", Enter
press() {
	local typed output keyboard pid
	rm -f "$work/got"
	touch "$work/got"
	coproc terminal { TERM=dumb exec script -qfec "$*" /dev/null 2>&1; }
	# shellcheck disable=SC2154 # coproc sets it
	output=${terminal[0]} keyboard=${terminal[1]} pid=$terminal_PID
	hosts+=("$pid")
	while IFS='|' read -r typed _; do
		# the prompt says that the shell listens
		IFS= read -r -d @ -t 90 -u "$output" || break
		lines=$(wc -l < "$work/got")
		printf 'penstock %s\t\001got \r' "$typed" >&"$keyboard"
		wait_for 90 more_than "$lines" || break
	done < "$work/lines"
	printf '\025exit\r' >&"$keyboard"
	timeout 90 tail --pid="$pid" -f /dev/null
}
more_than() { [ "$(wc -l < "$work/got")" -gt "$1" ]; }
# a blank or none behind the word: not told apart
pressed() { press "$@" && diff <(sed 's/.*|/penstock /' "$work/lines") <(sed 's/ *$//' "$work/got"); }

cp "$work/rc" "$work/bashrc"
"$penstock" completion bash > "$work/penstock.bash"
echo ". '$work/penstock.bash'" >> "$work/bashrc"
ok 'Tab completes in bash' pressed bash --noprofile --rcfile "$work/bashrc" -i

if command -v zsh > /dev/null; then
	mkdir -p "$work/zsh"
	"$penstock" completion zsh > "$work/zsh/_penstock"
	{
		cat "$work/rc"
		echo "fpath=('$work/zsh' \$fpath); autoload -Uz compinit; compinit -u -d '$work/zcompdump'; setopt no_beep; unsetopt prompt_cr prompt_sp auto_remove_slash"
	} > "$work/zsh/.zshrc"
	ok 'Tab completes in zsh' pressed env ZDOTDIR="$work/zsh" zsh -d -i
else
	echo '        zsh is not here: skipped'
fi

if command -v fish > /dev/null; then
	mkdir -p "$work/home"
	"$penstock" completion fish > "$work/penstock.fish"
	# fish tells what it would offer; the words that are offered begin where the last one does
	in_fish() {
		local typed words
		while IFS='|' read -r typed words; do
			HOME=$work/home fish -c "cd '$work/files'; source '$work/penstock.fish'; complete -C 'penstock $typed'" |
				cut -f 1 | grep -qxF -e "${words##* }" || { echo "penstock $typed: no ${words##* }"; return 1; }
		done < "$work/lines"
	}
	ok 'fish completes' in_fish
else
	echo '        fish is not here: skipped'
fi

# ---- the manual

names() { printf 'penstock\npenstock.conf\n'; printf 'penstock-%s\n' "${commands[@]// /-}"; }
ok 'there is a page for each command' diff <(names) <("$penstock" help --pages)
ok 'the pages are made' "$top/scripts/gen-man" "$penstock" "$work/man"
quiet_groff() {
	local page out
	for page in "$work"/man/*.roff; do
		out=$(groff -k -ww -man -Tutf8 -z "$page" 2>&1) || return 1
		[ -z "$out" ] || { echo "$page: $out"; return 1; }
	done
}
ok 'and laid out without a warning' quiet_groff
page() { groff -k -man -Tutf8 -P-c -P-b -P-u "$work/man/$1.roff"; }
every_option() {
	local c option text
	for c in "${commands[@]}"; do
		text=$(page "penstock-${c// /-}")
		# shellcheck disable=SC2086
		for option in $(options_of $c); do
			case $text in *"$option"*) ;; *) echo "penstock $c: no $option"; return 1 ;; esac
		done
	done
}
ok 'each has the options of its command' every_option
every_setting() {
	local text name
	text=$(page penstock.conf)
	for name in $(sed -n 's/^#\([a-z_]*\) = .*/\1/p' "$top/conf/penstock.conf") name plugin durable max_attempts timeout; do
		grep -qE "^ +$name( =|\$)" <<< "$text" || { echo "no $name"; return 1; }
	done
}
ok 'penstock.conf(5) has each setting and the keys of a stage' every_setting
ok 'a page that is not there is refused' exits 2 "$penstock" help --page penstock-nothing

# ---- config diff

mkdir -p "$work/other/pipelines.d"
cp "$work/penstock.conf" "$work/other/"
cp "$work/pipelines.d/parcels.conf" "$work/other/pipelines.d/"
sed 's/"send"; plugin = "echo"/"send"; plugin = "upper"/' "$work/pipelines.d/letters.conf" > "$work/other/pipelines.d/letters.conf"
ok 'a configuration is like itself' exits 0 "$penstock" config diff "$work/penstock.conf"
ok 'a changed stage is a difference' exits 1 "$penstock" config diff "$work/other"
ok 'that a reload takes' says 'a reload is enough' "$penstock" config diff "$work/other"
is 'as JSON' '"upper"' "$("$penstock" config diff "$work/other" --json 2> /dev/null | grep -o '"after": *"[^,]*' | grep -o 'upper' | sed 's/.*/"&"/')"
echo 'name = "another";' >> "$work/other/penstock.conf"
ok 'a setting by which a host is found needs a restart' says 'a restart is needed' "$penstock" config diff "$work/penstock.conf" "$work/other"
echo 'workrs = 3;' >> "$work/other/penstock.conf"
ok 'a broken one is told' exits 2 "$penstock" config diff "$work/other"
ok 'with its line' says "unknown setting 'workrs'" "$penstock" config diff "$work/other"
ok 'one that is not there as well' exits 2 "$penstock" config diff "$work/nowhere"
