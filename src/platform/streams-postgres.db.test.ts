import { openPostgresStreams } from '#platform/streams-postgres.ts'
import { keepsTheStreamsContract } from '#platform/streams-contract-rig.ts'

const log = { warn: () => undefined }

keepsTheStreamsContract({
  name: 'tables of PostgreSQL',
  open: async (t) =>
    openPostgresStreams({ database: t.databases.of('tracking'), scope: t.live, partitions: 4, pollMs: 20, holdMs: 2_000, log }),
  close: async () => undefined,
})
