import type { Outcome } from '#kernel/outcome.ts'
import { refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { readFacts } from './read-facts.ts'
import { noArchive, type ReadArchive } from './archive.ts'
import { recordFacts, type RecordedFact } from './record-facts.ts'
import type { ReportedFact } from './reported-fact.ts'

/** One fact as a stream has it. */
export interface FedRecord {
  /** Where in the feed it stands, such as `3/17`: the same place is the same record. */
  readonly position: string
  /** JSON of one fact, in the shape of POST /v1/track/events. */
  readonly body: string
}

export interface Taken {
  readonly added: number
  readonly known: number
  readonly refused: number
}

export interface RefusedRecord extends FedRecord {
  readonly code: string
  readonly field?: string | undefined
  readonly detail: string
}

const keepRefused = statement(
  'tracking.keep_refused',
  `insert into tracking.refused_fact (feed, position, body, code, field, detail, received_at)
   select $1, position, body, code, field, detail, $7 from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     as refused (position, body, code, field, detail)
   on conflict (feed, position) do nothing`,
)

/** Keeps what nobody waits for an answer about, with its reason; the same position of a feed again is not a second row. */
export function keepRefusals(context: WriteContext, feed: string, bad: readonly RefusedRecord[]): void {
  if (bad.length === 0) return
  context.defer(keepRefused, [
    feed,
    bad.map(({ position }) => position),
    bad.map(({ body }) => storable(body.slice(0, 10_000))),
    bad.map(({ code }) => code),
    // Both may quote the record: the name of a field, the place where it stopped to be JSON.
    bad.map(({ field = '' }) => storable(field.slice(0, 1_000))),
    bad.map(({ detail }) => storable(detail.slice(0, 1_000))),
    context.now,
  ])
}

/**
 * Records facts of a feed where nobody waits for an answer: what can not be taken is kept with its reason, and the rest goes on. Taken
 * again it changes nothing.
 */
export async function takeRecords(
  context: WriteContext,
  feed: string,
  { records, archive = noArchive }: { readonly records: readonly FedRecord[]; readonly archive?: ReadArchive },
): Promise<Taken> {
  const read = records.map(({ body }) => factIn(body))
  const recorded = (
    await recordFacts(
      context,
      read.flatMap((outcome) => (outcome.ok ? outcome.value : [])),
      { archive },
    )
  ).values()
  const done = read.map((outcome) => (outcome.ok ? (recorded.next().value as Outcome<RecordedFact>) : outcome))
  const bad = done.flatMap((outcome, index) => (outcome.ok ? [] : [{ ...outcome.error, ...(records[index] as FedRecord) }]))
  keepRefusals(context, feed, bad)
  const good = done.flatMap((outcome) => (outcome.ok ? outcome.value : []))
  const added = good.filter((fact) => fact.added).length
  return {
    added,
    known: good.length - added,
    refused: bad.length,
  }
}

/** What is kept must be kept: a record that PostgreSQL will not hold would come again for ever, and all behind it wait. */
const storable = (text: string): string => text.replaceAll('\u0000', '\uFFFD').toWellFormed()

function factIn(body: string): Outcome<ReportedFact> {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    return refused('tracking.not_json', `the record is not JSON: ${error instanceof Error ? error.message : 'unreadable'}`, '')
  }
  return readFacts([value])[0] as Outcome<ReportedFact>
}
