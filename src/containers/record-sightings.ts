import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { instantIn } from '#kernel/time.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { findContainers, unknownContainer } from './container-store.ts'
import { secondOf } from './containment-store.ts'

/** A read as a reader or its gateway tells it, not yet looked at. A reader has the name of the place where it hangs. */
export interface TagRead {
  readonly reader: string
  readonly epc: string
  readonly readAt: string
}

export interface RefusedRead {
  readonly index: number
  readonly field: string
  readonly code: string
  readonly detail: string
}

export interface RecordedReads {
  /** New rows; the others were known or came twice. */
  readonly recorded: number
  readonly repeated: number
  /** Different tags of the call that are on no container; their reads are kept. */
  readonly unknownTags: number
  readonly refused: readonly RefusedRead[]
}

const farthestAheadMs = 24 * 3600 * 1000
const instantPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

/** The instant that a text names, or what is wrong with it. */
export function instantOf(text: string, now: Date): Date | { readonly code: string; readonly detail: string } {
  const instant = instantPattern.test(text) ? instantIn(text) : undefined
  if (instant === undefined)
    return { code: 'containers.not_an_instant', detail: `"${text}" is no instant with its zone, such as 2026-03-02T09:00:00Z` }
  if (instant.getTime() > now.getTime() + farthestAheadMs)
    return { code: 'containers.in_the_future', detail: `${text} is more than a day ahead` }
  return instant
}

interface Row {
  readonly epc: string
  readonly second: Date
  readonly reader: string
  readonly call: number
}

const insertReads = statement<{ call: number; recorded: number; unknown: number }>(
  'containers.record_reads',
  `with asked as (
     select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::integer[]) as asked (epc, second, reader, call)
   ), new_tags as (
     insert into containers.tag (epc)
     select distinct asked.epc from asked left join containers.tag on tag.epc = asked.epc where tag.epc is null order by asked.epc
     on conflict do nothing
   ), kept as (
     insert into containers.tag_read (epc, second, reader) select epc, second, reader from asked
     on conflict do nothing
     returning epc, second, reader
   )
   select asked.call, count(kept.epc)::int as recorded, count(distinct asked.epc) filter (where tag.container_id is null)::int as unknown
   from asked left join kept using (epc, second, reader) left join containers.tag on tag.epc = asked.epc
   group by asked.call`,
)

/**
 * Keeps reads: exactly one row for each reader, tag and second, in whatever order and however often they come. One statement for any
 * number of calls. Rows are written in the order of their key, so that two callers with the same reads wait for each other in one order.
 */
export async function recordReads(
  context: WriteContext,
  calls: readonly { readonly reads: readonly TagRead[] }[],
): Promise<Outcome<RecordedReads>[]> {
  const rows = new Map<string, Row>()
  const judged = calls.map(({ reads }, call) => {
    const problems: RefusedRead[] = []
    const tags = new Set<string>()
    for (const [index, { reader, epc: told, readAt }] of reads.entries()) {
      const epc = told.toUpperCase()
      const at = instantOf(readAt, context.now)
      if (!/^([0-9A-F]{4}){4,16}$/.test(epc)) {
        const detail = `"${told}" is no EPC in hex: 16 to 64 digits, a multiple of four`
        problems.push({ index, field: `/reads/${index}/epc`, code: 'containers.bad_epc', detail })
      } else if (!(at instanceof Date)) problems.push({ index, field: `/reads/${index}/readAt`, ...at })
      else {
        const second = secondOf(at)
        const key = `${epc} ${second.getTime()} ${reader}`
        if (!rows.has(key)) rows.set(key, { epc, second, reader, call })
        tags.add(epc)
      }
    }
    return problems
  })
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  const counted = sorted.length === 0 ? [] : await context.query(insertReads, columnsOf(sorted))
  const byCall = new Map(counted.map((row) => [row.call, row]))
  return calls.map(({ reads }, call) => {
    const problems = judged[call] ?? []
    const { recorded = 0, unknown = 0 } = byCall.get(call) ?? {}
    return accepted({ recorded, repeated: reads.length - problems.length - recorded, unknownTags: unknown, refused: problems })
  })
}

const columnsOf = (rows: readonly Row[]) => [
  rows.map((row) => row.epc),
  rows.map((row) => row.second),
  rows.map((row) => row.reader),
  rows.map((row) => row.call),
]

export interface PlaceContainer {
  readonly code: string
  readonly place: string
  /** Now unless told. */
  readonly occurredAt?: string
  readonly actor: string
}

const insertPlacings = statement<{ containerId: number; second: Date; place: string }>(
  'containers.place',
  `insert into containers.placing (container_id, second, place, actor)
   select * from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[]) on conflict do nothing
   returning container_id as "containerId", second, place`,
)

/** Notes where people put containers; the same placing again is the same row. */
export async function placeContainers(
  context: WriteContext,
  commands: readonly PlaceContainer[],
): Promise<Outcome<{ containerId: number; changed: boolean }>[]> {
  const scanned = await findContainers(
    context,
    commands.map(({ code }) => code),
  )
  const rows = new Map<string, { containerId: number; second: Date; place: string; actor: string }>()
  const keyOf = ({ containerId, second, place }: { containerId: number; second: Date; place: string }) =>
    `${containerId} ${second.getTime()} ${place}`
  const judged = commands.map(({ code, place, occurredAt, actor }): Outcome<{ containerId: number; key: string }> => {
    const container = scanned.get(code)
    if (container === undefined) return unknownContainer(code)
    const at = occurredAt === undefined ? context.now : instantOf(occurredAt, context.now)
    if (!(at instanceof Date)) return refused(at.code, at.detail, '/occurredAt')
    const row = { containerId: container.containerId, second: secondOf(at), place, actor }
    const key = keyOf(row)
    if (!rows.has(key)) rows.set(key, row)
    return accepted({ containerId: row.containerId, key })
  })
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  const kept =
    sorted.length === 0
      ? []
      : await context.query(insertPlacings, [
          sorted.map((row) => row.containerId),
          sorted.map((row) => row.second),
          sorted.map((row) => row.place),
          sorted.map((row) => row.actor),
        ])
  const first = new Set(kept.map(keyOf))
  return judged.map((outcome) => {
    if (!outcome.ok) return outcome
    // Of two copies in one batch the first one counts.
    return accepted({ containerId: outcome.value.containerId, changed: first.delete(outcome.value.key) })
  })
}
