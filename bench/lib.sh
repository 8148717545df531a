# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# lib.sh - what the proofs share: a folder, a private PostgreSQL and a host, all gone at the end.
# Exit code 2: the proof could not be made, which says nothing of what is to be proved.
set -u
cd "$(dirname "$0")/.." || exit 2
export LC_ALL=C.UTF-8 TZ=UTC NO_COLOR=1
unset PENSTOCK_CONF PENSTOCK_DATABASE PGOPTIONS

build=$(realpath "${PENSTOCK_BUILD:-build}")
penstock=$build/penstock
work=$(mktemp -d /tmp/penstock-prove.XXXXXX)
chmod 755 "$work"
mkdir "$work/pipelines.d" "$work/run"
host=

die() { echo "$(basename "$0"): $*" >&2; exit 2; }

stop_host() {
	if [ -z "$host" ]; then return; fi
	kill -TERM "$host" 2> /dev/null
	wait "$host" 2> /dev/null
	host=
}

at_the_end() { :; } # a script may have more to put away
finish() {
	trap - EXIT
	at_the_end
	stop_host
	tests/support/cluster.sh stop "$work/pg"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start_database SETTING...: sets $admin, and PENSTOCK_DATABASE for the role of a host
start_database() {
	admin=$(tests/support/cluster.sh start "$work/pg" "$@") || exit 2
	"$penstock" migrate up -q -d "$admin" || exit 2
	sql 'create role penstock login in role penstock_host'
	export PENSTOCK_DATABASE=${admin/user=postgres/user=penstock} PENSTOCK_CONF=$work/penstock.conf
}
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$admin" -c "$1" || die "$1"; }
