import pg from 'pg'
import { contextNames } from '#platform/database.ts'

/**
 * What a database holds, table by table: a hash over every row with the transaction that wrote it, so that even a row that
 * was rewritten with the same values shows; and where every sequence stands, since a rolled-back write moves that alone.
 *
 * One table is told by its values only: a relay that looks for its cursor does so by `insert … on conflict do update`, which
 * rewrites the row of `consumer` as it was. Left out are the tables of jobs, where live's own rounds go on meanwhile.
 */
export async function fingerprintOf(admin: pg.Client): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const { rows: tables } = await admin.query<{ schema: string; name: string }>(
    `select schemaname as schema, tablename as name from pg_tables where schemaname = any($1) order by 1, 2`,
    [[...contextNames]],
  )
  for (const { schema, name } of tables) {
    const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`
    const row = name === 'consumer' ? 'name, last_id' : 't.xmin, t.*'
    const { rows } = await admin.query<{ rows: string; hash: string }>(
      `select count(*) as rows, md5(coalesce(string_agg(line, e'\\n' order by line), '')) as hash
       from (select row(${row})::text as line from ${table} as t) as lines`,
    )
    found.set(`${schema}.${name}`, `${rows[0]?.rows} rows ${rows[0]?.hash}`)
  }
  const { rows: sequences } = await admin.query<{ name: string; at: string | null }>(
    `select schemaname || '.' || sequencename as name, last_value::text as at from pg_sequences where schemaname = any($1)`,
    [[...contextNames]],
  )
  for (const { name, at } of sequences) found.set(`sequence ${name}`, String(at))
  return found
}
