import { invariant } from '#kernel/outcome.ts'
import { sealSome } from './fold-shipments.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'

/** Tables ahead of the clock: a program that stands still for a quarter of a year still finds its month. */
const monthsAhead = 3

export interface Month {
  /** Its first day. */
  readonly month: string
  readonly kept: 'open' | 'detached' | 'filed'
  readonly file: string | null
}

const selectMonths = statement<Month>('tracking.months', `select month::text, kept, file from tracking.month order by month`)
export const monthsOf = (context: ReadContext): Promise<Month[]> => context.query(selectMonths)

export interface ArchivedMonth {
  /** Its first day. */
  readonly month: string
  /** Name of the file; null while it is being written. */
  readonly file: string | null
}

/** This month and the last one are always tables, so a read of what is younger need not ask. */
function alwaysOpenFrom(now: Date): number {
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)
}

const selectArchived = statement<{ shipment_id: number; month: string; file: string | null }>(
  'tracking.archived_months',
  `select asked.shipment_id, month.month::text, month.file
   from unnest($1::bigint[], $2::timestamptz[]) as asked (shipment_id, first_at)
   join tracking.sealed on sealed.shipment_id = asked.shipment_id
   join tracking.month on month.kept <> 'open' and month.month + interval '1 month' > asked.first_at at time zone 'UTC'
     and month.month < sealed.until at time zone 'UTC'
   order by asked.shipment_id, month.month`,
)

/** Months from each shipment's first fact on that are no tables any more: what it has in them is in files. */
export async function archivedMonthsOf(
  context: ReadContext,
  shipments: readonly { readonly shipmentId: number; readonly first: number | null }[],
): Promise<Map<number, ArchivedMonth[]>> {
  const found = new Map<number, ArchivedMonth[]>()
  const openFrom = alwaysOpenFrom(context.now)
  const older = shipments.filter(({ first }) => (first ?? 0) < openFrom)
  if (older.length === 0) return found
  const rows = await context.query(selectArchived, [
    older.map(({ shipmentId }) => shipmentId),
    older.map(({ first }) => new Date(first ?? 0)),
  ])
  for (const { shipment_id, month, file } of rows) {
    const months = found.get(shipment_id)
    if (months === undefined) found.set(shipment_id, [{ month, file }])
    else months.push({ month, file })
  }
  return found
}

const begin = statement('tracking.begin_seal', 'select tracking.begin_seal($1::date)')

/** From here on shipments are noted that something comes for in a month: it is sealed next, and what was noted once more when it is taken out. */
export async function beginSeal(context: WriteContext, month: string): Promise<void> {
  await context.query(begin, [month])
}

// Whoever waits for a lock on all facts holds up everybody behind it: a second, then the caller comes again (sql-retry.ts, and the next round).
const waitASecond = statement('tracking.wait_a_second', `select set_config('lock_timeout', '1s', true)`)
const keepWritersOut = statement('tracking.keep_writers_out', 'lock table tracking.event in share row exclusive mode')
const detach = statement('tracking.detach_month', 'select tracking.detach_month($1::date)')

/**
 * Takes a month out of the table of facts. Its shipments must have been sealed; those that were noted meanwhile (a first fact of it, or opened
 * again) are sealed here, while nobody writes. A writer that holds such a shipment and waits for the table is ended by the database, and run again.
 */
export async function detachMonth(context: WriteContext, month: string): Promise<void> {
  invariant(Date.parse(month) < alwaysOpenFrom(context.now), `${month} is this month or the last one, which stay in tables`)
  await context.query(waitASecond)
  await context.query(keepWritersOut)
  for (let after: number | null = 0; after !== null; ) after = await sealSome(context, month, { after, noted: true })
  await context.query(detach, [month])
}

export type MonthRow = Readonly<Record<string, unknown>> & {
  readonly shipment_id: number
}
const selectPage = statement<MonthRow>('tracking.month_page', 'select * from tracking.month_page($1::date, $2, $3)')

/** A page of a month that is detached, by rising shipment. Empty: there is no more. The book of source ids keeps what is on it, so that a copy or a correction is known. */
export const takeMonthPage = (context: ReadContext, month: string, after: number): Promise<MonthRow[]> =>
  context.query(selectPage, [month, after, 1000])

const drop = statement('tracking.drop_month', 'select tracking.drop_month($1::date, $2, $3)')

/** Drops the table of a detached month; its facts must be safe in the file. */
export async function dropMonth(context: WriteContext, month: string, { file, facts }: { file: string; facts: number }): Promise<void> {
  await context.query(drop, [month, file, facts])
}

const open = statement<{ opened: boolean }>(
  'tracking.open_months',
  `select tracking.open_month(month.month::date) as opened
   from generate_series(date_trunc('month', $1::timestamptz), date_trunc('month', $1::timestamptz) + $2::int * interval '1 month', interval '1 month') as month (month)
   where not exists (select from tracking.month as known where known.month = date_trunc('month', month.month)::date)`,
)

export async function openMonths(context: WriteContext): Promise<number> {
  return (await context.query(open, [context.now, monthsAhead])).filter(({ opened }) => opened).length
}
