import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, type Statement, statement } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import type { ListInput, Listed, ListOutput } from './list-schemas.ts'
import { idsOfPrefix } from './order-number.ts'

/** Heads that a page looks at, at most: a rare state among millions must not hold a connection. The cursor goes on from there. */
const mostLooks = 5_000

export interface HeadRow {
  at: number
  id: number
  number: string
  store_id: string
  customer_id: string
  channel: string
  total_minor: number
  currency: string
  state: string
  money_state: string
  attention: string[]
  placed_at: Date
  changed_at: Date
  placed_micros: number
}

export const headColumns = `o.id, o.number, o.store_id, o.customer_id, o.channel, o.total_minor, o.currency, o.state, o.money_state, o.attention,
  o.placed_at, o.changed_at`
const micros = `(extract(epoch from o.placed_at) * 1000000)::bigint as placed_micros`

/** How orders can be walked, newest first, each by an index of its own; a question takes the narrowest. */
const walks = {
  customer: { source: 'o.customer_id = q.customer_id', numbered: false },
  attention: { source: `o.attention <> '{}'`, numbered: false },
  number: { source: 'o.id >= q.id_from and o.id < q.id_until', numbered: true },
  store: { source: 'o.store_id = q.store_id', numbered: false },
  recent: { source: 'true', numbered: false },
} as const
type Walk = keyof typeof walks

const questions = `unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
    $10::timestamptz[], $11::bigint[], $12::bigint[], $13::bigint[], $14::integer[])
  as q (at, store_id, customer_id, channel, state, money_state, attention, number_prefix, placed_from, before_at, before_id, id_from, id_until, most)`

function walkOf(walk: Walk, columns: string, rest: string): string {
  const { source, numbered } = walks[walk]
  const bounds = numbered
    ? `o.id < q.before_id order by o.id desc`
    : `(o.placed_at, o.id) < (q.before_at, q.before_id) and o.placed_at >= q.placed_from order by o.placed_at desc, o.id desc`
  return `select ${columns} from orders.orders o where ${source} and ${bounds} ${rest}`
}

// The walk is cut off inside and filtered outside, so that it ends early when the page is full and late when nothing fits.
const pageOf = (walk: Walk): Statement<HeadRow> =>
  statement(
    `orders.list_${walk}`,
    `select q.at, page.* from ${questions} cross join lateral (
       select * from (${walkOf(walk, `${headColumns}, ${micros}`, `limit ${mostLooks}`)}) as o
       where (q.store_id is null or o.store_id = q.store_id) and (q.customer_id is null or o.customer_id = q.customer_id)
         and (q.channel is null or o.channel = q.channel) and (q.state is null or o.state = q.state)
         and (q.money_state is null or o.money_state = q.money_state)
         and (q.attention is null or q.attention = any(o.attention) or q.attention = 'any' and o.attention <> '{}')
         and (q.number_prefix is null or starts_with(o.number, q.number_prefix))
         and o.placed_at >= q.placed_from and (o.placed_at, o.id) < (q.before_at, q.before_id)
       limit q.most) as page`,
  )

// Where the walk of a page was cut off.
const endOf = (walk: Walk): Statement<{ at: number; id: number; placed_micros: number }> =>
  statement(
    `orders.list_end_${walk}`,
    `select q.at, o.* from ${questions} cross join lateral (${walkOf(walk, `o.id, ${micros}`, `offset ${mostLooks - 1} limit 1`)}) as o`,
  )

const walkNames = Object.keys(walks) as Walk[]
const pages = Object.fromEntries(walkNames.map((walk) => [walk, pageOf(walk)])) as Record<Walk, Statement<HeadRow>>
const ends = Object.fromEntries(walkNames.map((walk) => [walk, endOf(walk)])) as Record<Walk, ReturnType<typeof endOf>>

interface Question {
  readonly at: number
  readonly input: ListInput
  readonly walk: Walk
  readonly limit: number
  readonly idFrom: number
  readonly idUntil: number
  readonly placedFrom: string
  readonly beforeAt: string
  readonly beforeId: number
}

const largestId = Number.MAX_SAFE_INTEGER

/** Pages of orders, newest first: all questions of a batch that walk the same way with one statement. States are those of the heads as they stand. */
export async function listOrders(context: ReadContext, asked: readonly Asked<ListInput>[]): Promise<Outcome<ListOutput>[]> {
  const outcomes: Outcome<ListOutput>[] = Array.from({ length: asked.length })
  const byWalk = new Map<Walk, Question[]>()
  asked.forEach(({ input }, at) => {
    const question = questionOf(input, at)
    if (!question.ok) {
      outcomes[at] = question
      return
    }
    const same = byWalk.get(question.value.walk) ?? []
    same.push(question.value)
    byWalk.set(question.value.walk, same)
  })
  await Promise.all(
    [...byWalk].map(async ([walk, same]) => {
      const found = Map.groupBy(await context.query(pages[walk], parametersOf(same)), ({ at }) => at)
      // A short page is the end, unless the walk was cut off before it.
      const short = same.filter(({ at, limit }) => (found.get(at)?.length ?? 0) <= limit)
      const cut = new Map((short.length === 0 ? [] : await context.query(ends[walk], parametersOf(short))).map((end) => [end.at, end]))
      for (const { at, limit } of same) {
        const rows = found.get(at) ?? []
        const page = rows.slice(0, limit)
        const last = rows.length > limit ? page.at(-1) : cut.get(at)
        outcomes[at] = accepted({ orders: page.map(listedOf), next: last === undefined ? null : cursorOf([last.placed_micros, last.id]) })
      }
    }),
  )
  return outcomes
}

function questionOf(input: ListInput, at: number): Outcome<Question> {
  const before = input.before === undefined ? undefined : readCursor(input.before, 2)
  if (before === null) return badCursor()
  const [beforeMicros, beforeId] = before ?? []
  const prefix = input.numberPrefix?.toUpperCase()
  const ids = prefix === undefined ? undefined : idsOfPrefix(prefix)
  const numbered = ids !== undefined
  const from = microsOf(input.placedFrom, Number.NEGATIVE_INFINITY)
  if (Number.isNaN(from)) return badTime('/placedFrom')
  const until = microsOf(input.placedUntil, Number.POSITIVE_INFINITY)
  if (Number.isNaN(until)) return badTime('/placedUntil')
  // A number's walk goes by id alone; there the instant is a filter.
  const cut = beforeMicros !== undefined && !numbered && beforeMicros <= until
  return accepted({
    at,
    input: prefix === undefined ? input : { ...input, numberPrefix: prefix },
    walk: walkFor(input, numbered),
    limit: input.limit ?? 50,
    idFrom: ids?.[0] ?? 0,
    idUntil: ids?.[1] ?? largestId,
    placedFrom: instantOf(from),
    // By number, ids of that very instant would pass with `<`, so it ends a microsecond before.
    beforeAt: instantOf(cut ? beforeMicros : numbered ? until - 1 : until),
    beforeId: cut || numbered ? (beforeId ?? largestId) : 0,
  })
}

function walkFor(input: ListInput, numbered: boolean): Walk {
  if (input.customerId !== undefined) return 'customer'
  if (numbered) return 'number'
  if (input.attention !== undefined) return 'attention'
  return input.storeId === undefined ? 'recent' : 'store'
}

/** Nothing was placed before 1970. */
const microsOf = (text: string | undefined, otherwise: number): number =>
  text === undefined ? otherwise : Math.max(1, Date.parse(text) * 1000)

const badTime = (field: string): Outcome<never> =>
  refused('orders.bad_time', 'There is no such instant; give one such as 2026-03-01T09:00:00Z.', field)

/** Microseconds since 1970 as PostgreSQL reads them, to the microsecond. */
function instantOf(sinceEpoch: number): string {
  if (!Number.isFinite(sinceEpoch)) return sinceEpoch < 0 ? '-infinity' : 'infinity'
  return `${new Date(Math.floor(sinceEpoch / 1000)).toISOString().slice(0, -1)}${String(sinceEpoch % 1000).padStart(3, '0')}Z`
}

const parametersOf = (asked: readonly Question[]): unknown[] => [
  asked.map(({ at }) => at),
  asked.map(({ input }) => input.storeId ?? null),
  asked.map(({ input }) => input.customerId ?? null),
  asked.map(({ input }) => input.channel ?? null),
  asked.map(({ input }) => input.state ?? null),
  asked.map(({ input }) => input.moneyState ?? null),
  asked.map(({ input }) => input.attention ?? null),
  asked.map(({ input }) => input.numberPrefix ?? null),
  asked.map(({ placedFrom }) => placedFrom),
  asked.map(({ beforeAt }) => beforeAt),
  asked.map(({ beforeId }) => beforeId),
  asked.map(({ idFrom }) => idFrom),
  asked.map(({ idUntil }) => idUntil),
  asked.map(({ limit }) => limit + 1),
]

export const listedOf = (row: HeadRow): Listed => ({
  orderId: row.id,
  number: row.number,
  storeId: row.store_id,
  customerId: row.customer_id,
  channel: row.channel,
  totalMinor: row.total_minor,
  currency: row.currency,
  state: row.state,
  moneyState: row.money_state,
  attention: row.attention,
  placedAt: row.placed_at.toISOString(),
  changedAt: row.changed_at.toISOString(),
})

export const cursorOf = (place: readonly number[]): string => Buffer.from(place.join('.')).toString('base64url')

/** The place that a cursor names; null where it is none of ours. */
export function readCursor(cursor: string, length: number): number[] | null {
  const place = Buffer.from(cursor, 'base64url').toString().split('.').map(Number)
  return place.length === length && place.every((each) => Number.isSafeInteger(each) && each >= 0) ? place : null
}

export const badCursor = (): Outcome<never> =>
  refused('orders.bad_cursor', 'This cursor is not one of ours; take `next` of the page before as it is.', '/before')
