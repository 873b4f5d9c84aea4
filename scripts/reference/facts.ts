import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { code, root, tableOf } from './sources.ts'

/** Tables of facts as their migrations describe them: the comments are what `\d+` shows in psql, and this page says the same. */
export function factsPage(): string {
  const sql = globSync('migrations/analytics/*.sql', { cwd: root })
    .toSorted()
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n')
  const about = new Map<string, string>()
  for (const [, name = '', text = ''] of sql.matchAll(/^comment on (?:table|view) analytics\.(\w+) is '((?:[^']|'')*)';/gm))
    about.set(name, text.replaceAll("''", "'"))
  const columns = new Map<string, string[][]>()
  for (const [, table = '', name = '', text = ''] of sql.matchAll(/^comment on column analytics\.(\w+)\.(\w+) is '((?:[^']|'')*)';/gm)) {
    columns.set(table, [...(columns.get(table) ?? []), [code(name), typeOf(sql, table, name), text.replaceAll("''", "'")]])
  }
  for (const table of columns.keys()) if (!about.has(table)) throw new Error(`no comment says what analytics.${table} is`)
  return [
    '# Facts',
    '',
    'Tables for analysts, in the schema `analytics`. They are kept from events and never need a join with a live table. Amounts are in minor',
    'units, instants in UTC. How to read, export and rebuild them: [facts](../operating/facts.md).',
    ...[...columns].flatMap(([table, rows]) => [
      '',
      `## ${code(table)}`,
      '',
      about.get(table) ?? '',
      '',
      tableOf(['column', 'type', 'about'], rows),
    ]),
    '',
  ].join('\n')
}

/** As the migration declares it; columns of views are not declared anywhere. */
function typeOf(sql: string, table: string, column: string): string {
  const body = new RegExp(`create table analytics\\.${table} \\(([\\s\\S]*?)\\n\\)`).exec(sql)?.[1]
  if (body === undefined) return ''
  const [, type, rest = ''] = new RegExp(`^\\s+${column} (\\w+)([^,\\n]*)`, 'm').exec(body) ?? []
  if (type === undefined) throw new Error(`analytics.${table} has no column ${column}`)
  return /not null|primary key/.test(rest) ? type : `${type} or null`
}
