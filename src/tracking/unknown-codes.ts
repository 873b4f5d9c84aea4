import { Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { query } from '#platform/operation.ts'
import { exact } from './schemas.ts'

/** A code that came and is in no table, by whichever way it came in. */
export interface UnknownCode {
  readonly source: string
  readonly code: string
  readonly times: number
  readonly example: string
}
const countUnknown = statement(
  'tracking.count_unknown_codes',
  `insert into tracking.unknown_code (source, code, times, first_at, last_at, example)
   select source, code, times, $5, $5, example from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) as input (source, code, times, example)
   order by source, code
   on conflict (source, code) do update set times = unknown_code.times + excluded.times, last_at = excluded.last_at`,
)
/** Each code at most once. */
export function countUnknownCodes(context: WriteContext, codes: readonly UnknownCode[]): void {
  if (codes.length === 0) return
  context.defer(countUnknown, [
    codes.map(({ source }) => source),
    codes.map(({ code }) => code),
    codes.map(({ times }) => times),
    codes.map(({ example }) => example),
    context.now,
  ])
}

const selectUnknown = statement<UnknownCode & { firstAt: Date; lastAt: Date }>(
  'tracking.unknown_codes',
  `select source, code, times, example, first_at as "firstAt", last_at as "lastAt" from tracking.unknown_code order by times desc, source, code limit 1000`,
)
export const unknownCodes = (context: ReadContext) => context.query(selectUnknown)

const selectBySource = statement<{ source: string; times: number }>(
  'tracking.unknown_by_source',
  `select case when place <= 50 then source else 'others' end as source, sum(times)::bigint as times from (
     select source, sum(times) as times, row_number() over (order by sum(times) desc, source) as place from tracking.unknown_code group by source
   ) as ranked group by 1 order by 1`,
)
/** How often each source told an unknown code; the 50 that did most have names, since a metric must not grow with what callers send. */
export const unknownBySource = (context: ReadContext) => context.query(selectBySource)

export const listUnknownCodes = query({
  id: 'tracking.list_unknown_codes',
  context: 'tracking',
  summary: 'Codes that came, by whatever way, and are in no table, the most frequent first',
  input: Type.Object({}, exact),
  output: Type.Object(
    {
      codes: Type.Array(
        Type.Object(
          {
            source: Type.String(),
            code: Type.String(),
            times: Type.Integer(),
            example: Type.String(),
            firstAt: Type.String(),
            lastAt: Type.String(),
          },
          exact,
        ),
      ),
    },
    exact,
  ),
  scopes: ['tracking:read'],
  http: { method: 'GET', path: '/v1/track/unknown-codes' },
  batch: { largest: 8, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  async body(context, asked) {
    const codes = (await unknownCodes(context)).map(({ firstAt, lastAt, ...row }) => ({
      ...row,
      firstAt: firstAt.toISOString(),
      lastAt: lastAt.toISOString(),
    }))
    return asked.map(() => accepted({ codes }))
  },
})
