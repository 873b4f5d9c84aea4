import { breakAt, type Break, type SqlFile, type Wall } from './source.ts'
import { blank } from './sql-text.ts'

function ofMigration(file: SqlFile): Break[] {
  const broken: Break[] = []
  const name = file.path.split('/').at(-1) ?? ''
  if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(name)) broken.push(breakAt(file, 0, `${name} is not named NNNN_what_it_does.sql`))
  if (!/^-- Lock: \S/.test(file.text))
    broken.push(breakAt(file, 0, 'the first line does not say which lock is taken, and how long (-- Lock: …)'))
  const sql = blank(file.text)
  for (const match of sql.matchAll(/\b(begin|commit|rollback)\s*;/gi)) {
    broken.push(breakAt(file, match.index, `${match[1]}: the migrator runs each file in one transaction`))
  }
  for (const match of sql.matchAll(/\b(create\s+role|alter\s+role|grant|revoke)\s/gi)) {
    broken.push(breakAt(file, match.index, `${match[1]}: rights are given by src/platform/database-server.ts, the same for each context`))
  }
  for (const match of sql.matchAll(
    /(?<=\b\w+\s)(serial|bigserial|timestamp(?!tz)(?!\s+with\s+time)|money|char\s*\(\d+\))(?=\s*(,|not\b|null\b|default\b|check\b|primary\b|\)|;))/gi,
  )) {
    broken.push(breakAt(file, match.index, `${match[1]}: use identity, timestamptz, bigint minor units, text`))
  }
  return broken
}

export const migrationsWall: Wall = {
  name: 'migrations',
  why: 'A migration runs beside live traffic: whoever reads it must see at once what it locks.',
  check: ({ migrations }) => migrations.flatMap(ofMigration),
}
