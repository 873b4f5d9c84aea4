import { type BackendFactory, type ConnectionOptions, createPostgresBackend, createRedisBackend, runMigrations } from 'bullmq'
import pg from 'pg'
import type { EngineMigration } from '#platform/migrations.ts'
import type { Traffic } from '#platform/request-context.ts'

/** What carries jobs. Both keep live and shadow apart: two databases, or two prefixes with connections of their own. */
export type JobsEngine =
  | { readonly kind: 'postgres'; readonly login: (traffic: Traffic) => pg.ClientConfig }
  | { readonly kind: 'redis'; readonly url: string }

const schema = 'jobs'

/** Connection and backend for BullMQ's constructors. The tables are migrated by `migrateJobs`, never by a worker: its role has no DDL rights. */
export interface JobsBackend {
  /** Typed for Redis by BullMQ; the factory beside it is the one that reads it. */
  readonly connection: ConnectionOptions
  readonly prefix: { readonly prefix?: string }
  readonly factory: BackendFactory
}

export function jobsBackend(engine: JobsEngine, traffic: Traffic): JobsBackend {
  if (engine.kind === 'redis') {
    return {
      // BullMQ's blocking reads must outlast a restart of Redis, so a command is not given up after some retries.
      connection: { url: engine.url, maxRetriesPerRequest: null },
      prefix: { prefix: traffic === 'live' ? 'throughline' : 'throughline_shadow' },
      factory: createRedisBackend,
    }
  }
  const connection = {
    ...engine.login(traffic),
    schema,
    max: 4,
    application_name: `throughline jobs ${traffic}`,
    options: `-c throughline.traffic=${traffic}`,
  }
  return { connection, prefix: {}, factory: createPostgresBackend as unknown as BackendFactory }
}

/** Brings the tables of jobs to the version of this BullMQ; given to `migrate` among its engines. */
export const migrateJobs: EngineMigration = async (client, server, traffic) => {
  await runMigrations(client, schema)
  const role = pg.escapeIdentifier(server.roleOf(traffic, 'platform'))
  await client.query(`
    revoke all on schema ${schema} from public;
    grant usage on schema ${schema} to ${role};
    grant select, insert, update, delete on all tables in schema ${schema} to ${role};
    grant usage, select on all sequences in schema ${schema} to ${role};
    grant execute on all functions in schema ${schema} to ${role};`)
}
