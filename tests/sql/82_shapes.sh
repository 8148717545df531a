#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every statement of framework/sql against the schema: the parameters that the server found, and the columns
# that it answers. Read a change of it as carefully as the code. UPDATE=1 writes it anew.
set -u
: "${top:?}" "${work:?}" "${dsn:?}" # of run
cd "$top" || exit 1

{
	for file in framework/sql/*.sql; do
		name=$(basename "$file" .sql)
		text=$(sed '/^--/d; s/;[[:space:]]*$//' "$file")
		echo "-- $name"
		case $name in
		enqueue_copy) # COPY cannot be prepared
			grep -o '(id.*' <<< "$text" | head -n 1
			continue
			;;
		esac
		{
			echo "prepare $name as $text;"
			echo "select '(' || coalesce((select string_agg(t::text, ', ' order by o) from unnest(parameter_types) with ordinality u(t, o)), '') || ')' from pg_prepared_statements where name = '$name';"
		} | run_sql 2>&1
		printf '%s \\gdesc\n' "$text" | run_sql 2>&1 | sed 's/^/  /; s/|/ /'
	done
} > "$work/shapes"
if [ "$UPDATE" ]; then cp "$work/shapes" tests/sql/shapes.expected; fi
if grep 'ERROR' "$work/shapes"; then exit 1; fi
diff tests/sql/shapes.expected "$work/shapes" || exit 1

# a statement's comment names each parameter
status=0
for file in framework/sql/*.sql; do
	for parameter in $(grep -v '^--' "$file" | grep -o '\$[0-9]*' | sort -u); do
		grep '^--' "$file" | grep -qF "$parameter " || { echo "$file: its comment does not name $parameter"; status=1; }
	done
done
exit $status
