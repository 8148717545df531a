/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * completion_scripts.c - what each shell needs to ask `penstock completion words`.
 */
#include <string.h>

#include "cli/cli_priv.h"

/* bash breaks words at = and :, the program wants them whole; what is offered goes without the
 * part in front of the cursor's own piece. Bash 4.2 and later. */
static const char bash_script[] =
    "# bash completion of penstock\n"
    "_penstock() {\n"
    "\tlocal words=() i word line cut=\n"
    "\tCOMPREPLY=()\n"
    "\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "\t\tword=${COMP_WORDS[i]}\n"
    "\t\tif ((i > 1)) && [[ $word == [=:]* || ${COMP_WORDS[i - 1]} == *[=:] ]]; then\n"
    "\t\t\twords[${#words[@]} - 1]+=$word\n"
    "\t\telse\n"
    "\t\t\twords+=(\"$word\")\n"
    "\t\tfi\n"
    "\tdone\n"
    "\tword=${words[${#words[@]} - 1]}\n"
    "\t[[ $word == *[=:]* ]] && cut=${word%\"${word##*[=:]}\"}\n"
    "\twhile IFS= read -r line; do\n"
    "\t\tcase $line in\n"
    "\t\t:files | :folders)\n"
    "\t\t\tcompopt -o filenames\n"
    "\t\t\tlocal kind=-f found\n"
    "\t\t\t[[ $line == :folders ]] && kind=-d\n"
    "\t\t\twhile IFS= read -r found; do COMPREPLY+=(\"$found\"); done \\\n"
    "\t\t\t\t< <(compgen \"$kind\" -- \"${word#\"$cut\"}\")\n"
    "\t\t\t;;\n"
    "\t\t*)\n"
    "\t\t\tline=${line%%$'\\t'*}\n"
    "\t\t\t[[ $line == *= ]] && compopt -o nospace\n"
    "\t\t\tCOMPREPLY+=(\"${line#\"$cut\"}\")\n"
    "\t\t\t;;\n"
    "\t\tesac\n"
    "\tdone < <(\"${COMP_WORDS[0]/#\\~/$HOME}\" completion words -- \"${words[@]}\" 2> /dev/null)\n"
    "}\n"
    "complete -F _penstock penstock\n";

static const char zsh_script[] =
    "#compdef penstock\n"
    "# zsh completion of penstock\n"
    "_penstock() {\n"
    "\tlocal line value help\n"
    "\tlocal -a plain open\n"
    "\tfor line in \"${(@f)$(\"${(Q)words[1]/#\\~/$HOME}\" completion words -- \\\n"
    "\t\t\"${(@Q)words[2,CURRENT-1]}\" \"$PREFIX\" 2> /dev/null)}\"; do\n"
    "\t\tcase $line in\n"
    "\t\t:files) [[ $PREFIX == --*=* ]] && compset -P '*='; _files ;;\n"
    "\t\t:folders) [[ $PREFIX == --*=* ]] && compset -P '*='; _files -/ ;;\n"
    "\t\t'') ;;\n"
    "\t\t*)\n"
    "\t\t\tvalue=${line%%$'\\t'*}\n"
    "\t\t\thelp=${line#$value}\n"
    "\t\t\tif [[ $value == *= ]]; then\n"
    "\t\t\t\topen+=(\"$value\")\n"
    "\t\t\telse\n"
    "\t\t\t\tplain+=(\"${value//:/\\\\:}${help:+:${help#$'\\t'}}\")\n"
    "\t\t\tfi\n"
    "\t\t\t;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\t(( $#plain )) && _describe penstock plain\n"
    "\t(( $#open )) && compadd -S '' -a open\n"
    "}\n"
    "if [[ $funcstack[1] == _penstock ]]; then\n"
    "\t_penstock \"$@\"\n"
    "else\n"
    "\tcompdef _penstock penstock\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion of penstock\n"
    "function __penstock_complete\n"
    "\tset -l words (commandline -opc)\n"
    "\tset -l last (commandline -ct)\n"
    "\tset -l program (string replace -r '^~' $HOME -- $words[1])\n"
    "\tset -e words[1]\n"
    "\tset -l option (string match -r '^--[a-z-]+=' -- \"$last\")\n"
    "\tset -q option[1]; or set option ''\n"
    "\tset -l value (string replace -r '^--[a-z-]+=' '' -- \"$last\")\n"
    "\tfor line in ($program completion words -- $words \"$last\" 2> /dev/null)\n"
    "\t\tswitch $line\n"
    "\t\t\tcase ':files'\n"
    "\t\t\t\tprintf '%s\\n' $option(__fish_complete_path \"$value\")\n"
    "\t\t\tcase ':folders'\n"
    "\t\t\t\tprintf '%s\\n' $option(__fish_complete_directories \"$value\")\n"
    "\t\t\tcase '*'\n"
    "\t\t\t\tprintf '%s\\n' $line\n"
    "\t\tend\n"
    "\tend\n"
    "end\n"
    "complete -c penstock -f -a '(__penstock_complete)'\n";

int
completion_command(struct cli *cli)
{
	const char *shell = cli->argv[0];

	if (strcmp(shell, "bash") == 0)
		fputs(bash_script, stdout);
	else if (strcmp(shell, "zsh") == 0)
		fputs(zsh_script, stdout);
	else
		fputs(fish_script, stdout);
	return CLI_OK;
}
