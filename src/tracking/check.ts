import { type ReadContext, statement } from '#platform/database.ts'
import { type ComparedPage, comparePage } from './rebuild.ts'

/** One law of the context and how many rows break it. */
export interface LawReport {
  readonly law: string
  readonly broken: number
  /** Up to ten ids of rows that break it. */
  readonly examples: readonly number[]
}

/** Folds every shipment again from its facts and compares; for `check` commands and tests, not for the hot path. */
export async function checkTracking(context: ReadContext): Promise<LawReport[]> {
  const unequal: number[] = []
  const otherState: number[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page: ComparedPage = await comparePage(context, after)
    unequal.push(...page.unequal)
    otherState.push(...page.otherState)
    after = page.next
  }
  const [doubled] = await context.query(doubledSourceIds)
  const report = (law: string, ids: readonly number[]): LawReport => ({ law, broken: ids.length, examples: ids.slice(0, 10) })
  return [
    report('the projection of a shipment is the fold of its facts', unequal),
    report('the state of a shipment is that of its projection', otherState),
    { law: 'one fact a source id, where the book of source ids says', broken: doubled?.n ?? 0, examples: [] },
  ]
}

// Facts of before there was the book are not in it. What is put away and was not brought back is in a file.
const doubledSourceIds = statement<{ n: number }>(
  'tracking.doubled_source_ids',
  `select count(*)::int as n from tracking.source_fact
   where not exists (select from tracking.event where event.shipment_id = source_fact.shipment_id and event.occurred_at = source_fact.occurred_at and event.id = source_fact.id)
     and not exists (select from tracking.sealed join tracking.month on month.kept <> 'open' and month.month = date_trunc('month', source_fact.occurred_at at time zone 'UTC')::date
       where sealed.shipment_id = source_fact.shipment_id and source_fact.occurred_at < sealed.until)`,
)
