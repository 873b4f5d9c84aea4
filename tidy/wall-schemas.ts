import { breakAt, type Break, contexts, type Wall } from './source.ts'
import { sqlIn, sqlOfMigrations, type SqlText } from './sql-text.ts'

const schemas = ['platform', ...contexts]
const qualified = new RegExp(`(?<![\\w.$"])"?(${schemas.join('|')})"?\\s*\\.\\s*["\\w]+`, 'gi')

/** Names of other schemas in a piece of SQL. An alias with another context's name counts too: it misleads. */
function strangers({ file, at, text }: SqlText, own: string | undefined): Break[] {
  return [...text.matchAll(qualified)]
    .filter((match) => match[1]?.toLowerCase() !== own)
    .map((match) =>
      breakAt(
        file,
        at + match.index,
        `SQL of ${own ?? 'no context'} touches ${match[0]}: across contexts go events, or a function of the face`,
      ),
    )
}

/** Which schema the SQL of a room may name; null where anything goes (tests, benchmarks, the administrator's tools). */
export const schemasWall: Wall = {
  name: 'schemas',
  why: 'A transaction writes the tables of one context. SQL that reaches into another schema ties two contexts for good, and the roles would refuse it in production only.',
  check: ({ sources, migrations }) => [
    ...sources.flatMap((source) => {
      const { kind, name } = source.room
      if (source.isTest || kind === 'outside') return []
      const own = kind === 'context' ? name : kind === 'platform' || kind === 'main' ? 'platform' : undefined
      return sqlIn(source).flatMap((sql) => strangers(sql, own))
    }),
    ...sqlOfMigrations({ sources, migrations }).flatMap((sql) => strangers(sql, sql.file.path.split('/')[1])),
  ],
}
