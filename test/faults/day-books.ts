import pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import type { SandboxPgs } from '#partners/sandbox-pg/index.ts'
import type { ServerFolder } from '#test/server-folder.ts'
import { withCore } from '../../src/cli/session.ts'
import type { DayTold } from './day-customer.ts'
import { configOf, tally } from './fault-house.ts'

export interface OpenRequest {
  readonly key: string
  readonly orderId: number
  readonly part: number
  readonly legs: string
}

async function withAdmin<T>(folder: ServerFolder, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: await folder.adminUrl() })
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.end()
  }
}

/** Requests that ask for money of which nothing is under way and nothing planned. */
export function openRequests(folder: ServerFolder): Promise<OpenRequest[]> {
  return withAdmin(folder, async (admin) => {
    const { rows } = await admin.query<{ key: string; order_id: string; part: number; legs: string }>(
      `select request.customer_id as key, request.order_id, request.part,
         (select coalesce(string_agg(leg.means || ' ' || leg.token || ' ' || leg.state, ', ' order by leg.position), 'none')
          from payments.leg where leg.request_id = request.id) as legs
       from payments.request
       where request.state in ('open', 'partially_covered') and not exists (
         select from payments.leg where leg.request_id = request.id and leg.state = 'created')`,
    )
    return rows.map(({ key, order_id, part, legs }) => ({ key, orderId: Number(order_id), part, legs }))
  })
}

export interface Ended {
  readonly id: string
  readonly key: string
  readonly number: string
  readonly state: string
  readonly money_state: string
  readonly attention: string[]
  readonly requests: { part: number; state: string; kept: number; promised: number; due: number }[]
  readonly waybills: number
  readonly claims: string[]
}

const readEnds = `
  select o.id, o.customer_id as key, o.number, o.state, o.money_state, o.attention,
    coalesce((
      select json_agg(json_build_object('part', r.part, 'state', r.state, 'due', r.amount_minor - r.reduced_minor,
        'kept', (select coalesce(sum(l.captured_minor - l.refunded_minor), 0) from payments.leg l where l.request_id = r.id) + r.goodwill_minor,
        'promised', (select coalesce(sum(l.authorized_minor), 0) from payments.leg l where l.request_id = r.id)) order by r.id)
      from payments.request r where r.order_id = o.id), '[]') as requests,
    (select count(*)::int from fulfilment.waybill w where w.order_id = o.id) as waybills,
    -- A cancel that came when the goods had left opened a return; it waits for the desk, which does not work on this day.
    (select coalesce(array_agg(c.state), '{}') from orders.claim c
      where c.order_id = o.id and not (c.state = 'requested' and c.reason <> 'not as described')) as claims
  from orders.orders o`

const claimsEnded = new Set(['completed', 'rejected', 'withdrawn', 'sent_back'])

/** What an order came to, and what of it is not as it must be. */
export function judge(row: Ended, told: Pick<DayTold, 'cancelled' | 'left'>): { end: string; breaks: string[] } {
  const breaks: string[] = []
  const living = row.requests.filter(({ state }) => state !== 'cancelled' && state !== 'expired')
  const gone = row.requests.filter(({ state }) => state === 'cancelled' || state === 'expired')
  for (const { part, kept, promised, state } of gone)
    if (kept !== 0 || promised !== 0) breaks.push(`part ${part} is ${state} and keeps ${kept}, promised ${promised}`)
  for (const { part, kept, promised, due, state } of living)
    if (state === 'covered' && kept + promised !== due)
      breaks.push(`part ${part} is covered: ${kept} kept, ${promised} promised, ${due} due`)
  const odd = row.attention.filter((each) => each !== 'too_far_gone')
  if (odd.length > 0) breaks.push(`calls for attention: ${odd.join(', ')}`)
  if (told.cancelled.has(row.key) && row.state !== 'cancelled') breaks.push('was cancelled, its customer was told')
  for (const state of row.claims) if (!claimsEnded.has(state)) breaks.push(`a claim ended as ${state}`)
  if (['cancelled', 'returned'].includes(row.state) && living.every(({ kept, promised, due }) => kept + promised === due))
    return { end: row.state, breaks }
  if (living.length > 0 && living.every(({ state }) => state === 'covered')) {
    if (['pending_payment', 'paid'].includes(row.state)) breaks.push('is paid and was never prepared')
    if (row.waybills === 0) breaks.push('is paid and has no waybill')
    return { end: row.state.includes('returned') ? 'returned' : 'paid', breaks }
  }
  if (told.left.has(row.key)) return { end: 'waiting for its customer', breaks }
  return { end: 'neither', breaks: [...breaks, 'is neither paid nor cancelled'] }
}

/** What clients and gateways know, against what the database holds, after the server has stopped. */
export async function dayBooks(folder: ServerFolder, pgs: SandboxPgs, told: DayTold) {
  return withCore({ config: configOf(folder), clock: systemClock, say: () => undefined }, async (core) => {
    const live = { traffic: 'live', rehearsalId: null } as const
    const breaks: string[] = []
    const movements: Record<string, number> = {}
    for (const [name, { engine }] of pgs.servers) {
      const log = engine.log()
      movements[name] = log.movements.length
      if (log.forgotten > 0) breaks.push(`${name} has forgotten ${log.forgotten} of its movements`)
      if (log.movements.length === 0) breaks.push(`${name} has moved nothing at all`)
      const checks = await core.databases.of('payments').survey(live, (read) => core.payments.compareWithGateway(read, name, log.movements))
      breaks.push(...checks.flatMap(({ check, breaks: each }) => each.map((detail) => `${check}: ${detail}`)))
    }
    return withAdmin(folder, async (admin) => {
      const { rows } = await admin.query<Ended>(readEnds)
      const ends: Record<string, number> = {}
      for (const row of rows) {
        const judged = judge(row, told)
        ends[judged.end] = (ends[judged.end] ?? 0) + 1
        const { pay, after } = told.byNumber.get(row.number) ?? { pay: 'unknown', after: 'unknown' }
        for (const each of judged.breaks)
          breaks.push(
            `order ${row.id} ${row.key} (${pay}, ${JSON.stringify(after)}) ${each}: ${row.state}, ${row.money_state}, ${JSON.stringify(row.requests)}`,
          )
      }
      const { rows: repeated } = await admin.query<{ number: string }>(
        'select number from orders.orders group by number having count(*) > 1',
      )
      for (const { number } of repeated) breaks.push(`order number ${number} is used more than once`)
      return { ...tally(rows, told), ends, movements, breaks }
    })
  })
}
