import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { type ContextName, contextNames } from '#platform/database.ts'
import { type DatabaseServer, grantSchema, migrationLock, provision } from '#platform/database-server.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'

/** One file of plain SQL: `migrations/<context>/<number>_<name>.sql`. Forward only; a mistake is mended by the next file. */
export interface Migration {
  readonly context: ContextName
  readonly number: number
  /** Path below the folder of migrations, such as `orders/0001_messages.sql`. */
  readonly file: string
  readonly sql: string
  readonly checksum: string
}

export interface AppliedMigration {
  readonly traffic: Traffic
  readonly file: string
}

/** Schema that an engine of ours brings along (jobs); run by the administrator after the contexts' migrations. */
export type EngineMigration = (client: pg.Client, server: DatabaseServer, traffic: Traffic) => Promise<void>

export const migrationsFolder = join(import.meta.dirname, '../../migrations')

/** Provisions both databases and brings both to the newest schema, of all contexts or of some. Returns what this call applied; nothing when all was there. */
export async function migrate(
  server: DatabaseServer,
  options: { folder?: string; engines?: readonly EngineMigration[]; contexts?: readonly ContextName[] } = {},
): Promise<AppliedMigration[]> {
  const { contexts = contextNames } = options
  const migrations = (await readMigrations(options.folder ?? migrationsFolder)).filter(({ context }) => contexts.includes(context))
  await provision(server)
  const ends = await Promise.allSettled(
    bothTraffics.map(async (traffic) => {
      const client = new pg.Client(server.admin(traffic))
      // What breaks while it is connected is told by the query under way; without a listener it would end the process.
      client.on('error', () => undefined)
      await client.connect()
      try {
        // Held by the session, so it falls away when this migrator dies; a second migrator waits here, then finds nothing to do.
        await client.query('select pg_advisory_lock($1)', [migrationLock])
        const files = await migrateDatabase(client, migrations)
        for (const engine of options.engines ?? []) await engine(client, server, traffic)
        for (const context of contextNames) await grantSchema(client, server, traffic, context)
        return files.map((file) => ({ traffic, file }))
      } finally {
        await client.end()
      }
    }),
  )
  // Only when both have ended: a caller told of a failure must not find the other database still on its way.
  const applied: AppliedMigration[] = []
  for (const end of ends) {
    if (end.status === 'rejected') throw end.reason
    applied.push(...end.value)
  }
  return applied
}

/** Files not yet applied to a traffic's database; for readiness and `doctor`. */
export async function pendingMigrations(
  server: DatabaseServer,
  traffic: Traffic,
  { folder = migrationsFolder, contexts = contextNames }: { folder?: string; contexts?: readonly ContextName[] } = {},
): Promise<string[]> {
  const migrations = (await readMigrations(folder)).filter(({ context }) => contexts.includes(context))
  const client = new pg.Client(server.loginFor(traffic, 'platform'))
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<{ file: string }>('select file from platform.migration')
    const done = new Set(rows.map((row) => row.file))
    return migrations.filter((migration) => !done.has(migration.file)).map((migration) => migration.file)
  } finally {
    await client.end()
  }
}

export async function readMigrations(folder: string): Promise<Migration[]> {
  const migrations: Migration[] = []
  // In the order of contextNames: platform first, since all others are recorded in its schema.
  for (const context of contextNames) {
    const names = (await readdir(join(folder, context)).catch(() => [])).filter((name) => name.endsWith('.sql')).toSorted()
    for (const name of names) {
      const number = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1])
      if (!(number > 0)) throw new Error(`migration ${context}/${name} must be named NNNN_what_it_does.sql`)
      if (number === migrations.findLast((migration) => migration.context === context)?.number) {
        throw new Error(`migration ${context}/${name} has a number that another file has: give it the next free one`)
      }
      // A checkout on Windows may have other line ends; they do not change what was applied.
      const sql = (await readFile(join(folder, context, name), 'utf8')).replaceAll('\r\n', '\n')
      const checksum = createHash('sha256').update(sql).digest('hex')
      migrations.push({ context, number, file: `${context}/${name}`, sql, checksum })
    }
  }
  return migrations
}

async function migrateDatabase(client: pg.Client, migrations: readonly Migration[]): Promise<string[]> {
  for (const context of contextNames) await client.query(`create schema if not exists ${pg.escapeIdentifier(context)}`)
  await client.query(`
    create table if not exists platform.migration (
      file text primary key,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`)
  const { rows } = await client.query<{ file: string; checksum: string }>('select file, checksum from platform.migration')
  const recorded = new Map(rows.map((row) => [row.file, row.checksum]))
  refuseDrift(migrations, recorded)
  const applied: string[] = []
  for (const migration of migrations) {
    if (recorded.has(migration.file)) continue
    await applyOne(client, migration)
    applied.push(migration.file)
  }
  return applied
}

/** What was applied is history: a changed, lost or late file would leave databases that differ from each other unseen. */
function refuseDrift(migrations: readonly Migration[], recorded: ReadonlyMap<string, string>): void {
  const files = new Map(migrations.map((migration) => [migration.file, migration]))
  for (const [file, checksum] of recorded) {
    const migration = files.get(file)
    // A process that needs some contexts only may meet a database that has more.
    if (migration === undefined && !migrations.some(({ context }) => file.startsWith(`${context}/`))) continue
    if (migration === undefined) throw new Error(`migration ${file} was applied to this database but its file is gone`)
    if (migration.checksum !== checksum) {
      throw new Error(`migration ${file} was changed after it had been applied: restore it, and put the change into a new file`)
    }
  }
  for (const context of contextNames) {
    const own = migrations.filter((migration) => migration.context === context)
    const newest = own.findLast((migration) => recorded.has(migration.file))
    const late = own.find((migration) => !recorded.has(migration.file) && newest !== undefined && migration.number < newest.number)
    if (late !== undefined)
      throw new Error(`migration ${late.file} comes before ${newest?.file}, which was applied: give it the next free number`)
  }
}

async function applyOne(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query('begin')
    // A migration that cannot get its lock in this time would hold up everyone queued behind it: better to fail and be run again.
    await client.query(`set local lock_timeout = '10s'`)
    await client.query(migration.sql)
    await client.query('insert into platform.migration (file, checksum) values ($1, $2)', [migration.file, migration.checksum])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    const { message, position } = error as { message: string; position?: string }
    const line = position === undefined ? '' : ` (line ${migration.sql.slice(0, Number(position)).split('\n').length})`
    throw new Error(`migration ${migration.file}${line} failed and nothing of it was applied: ${message}`, { cause: error })
  }
}
