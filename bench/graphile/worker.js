// SPDX-License-Identifier: BSD-2-Clause
//
// worker.js FILE WORKERS - graphile-worker as its manual starts it, with one task that writes down when each job began.
// The database is that of PGHOST, PGUSER and PGDATABASE. Prints "ready", and ends by SIGTERM.
'use strict';
const fs = require('fs');
const { Logger, run, runMigrations } = require('graphile-worker');
const { Pool } = require('pg');

const file = fs.openSync(process.argv[2], 'a');
const quiet = new Logger(() => (level, message) => {
	if (level === 'error') console.error(message);
});
const pgPool = new Pool({ max: Number(process.argv[3]) + 2 });

async function main() {
	await runMigrations({ pgPool, logger: quiet });
	const runner = await run({
		pgPool,
		logger: quiet,
		concurrency: Number(process.argv[3]),
		noHandleSignals: true,
		taskList: {
			stamp: async (payload) => {
				fs.writeSync(file, `${payload.t} ${process.hrtime.bigint()}\n`);
			},
		},
	});
	process.on('SIGTERM', () => runner.stop().then(() => process.exit(0)));
	console.log('ready');
	await runner.promise;
}
main().catch((error) => {
	console.error(error);
	process.exit(1);
});
