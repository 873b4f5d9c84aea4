import { statement, type WriteContext } from '#platform/database.ts'

/** Tables ahead of the clock: a program that stands still for a quarter of a year still finds its month. */
const monthsAhead = 3

const open = statement<{ opened: boolean }>(
  'tracking.open_months',
  `select tracking.open_month(month.month::date) as opened
   from generate_series(date_trunc('month', $1::timestamptz), date_trunc('month', $1::timestamptz) + $2::int * interval '1 month', interval '1 month') as month (month)
   where not exists (select from tracking.month as known where known.month = date_trunc('month', month.month)::date)`,
)

export async function openMonths(context: WriteContext): Promise<number> {
  return (await context.query(open, [context.now, monthsAhead])).filter(({ opened }) => opened).length
}
