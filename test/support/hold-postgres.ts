import { createInterface } from 'node:readline'
import { startEmbeddedPostgres } from '#platform/embedded-postgres.ts'

// A process of its own for tests that kill: starts the server in the folder given, tells about it in one line of JSON, stops at "stop".
const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? '' })
const { kind, port, pid, adminUrl } = postgres
process.stdout.write(`${JSON.stringify({ kind, port, pid, adminUrl })}\n`)
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'stop') void postgres.stop().then(() => process.exit(0))
})
