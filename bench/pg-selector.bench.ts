import pg from 'pg'
import { systemContext } from '#platform/request-context.ts'
import { type GatewayMix, rankGateways } from '#payments'
import { threeLineOrders } from './support/city-orders.ts'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse } from './support/server-process.ts'

/**
 * 1,000 payments at 70/30 with 5 % soft declines that fail over, through orders, attempts and two sandbox gateways: how far each
 * gateway ends from its share. Then the choosing alone: how many choices a second, and how far any window strays. The rival
 * throws dice, as is usual.
 */
const payments = numberFlag('payments', 1_000)
const mix: GatewayMix = {
  strategy: 'ratio',
  gateways: [
    { gateway: 'sandbox', weight: 70 },
    { gateway: 'borealis', weight: 30 },
  ],
}
const house = await openBenchHouse()
try {
  const core = await house.core()
  const context = systemContext('bench')
  const run = async (id: string, input: unknown, key: string) => {
    const outcome = await core.runner.run(id, { context, input, idempotencyKey: key })
    if (!outcome.ok) throw new Error(`${id}: ${outcome.error.detail}`)
    return outcome.value
  }
  core.relay.start()
  const orders = threeLineOrders(house, payments) as { storeId: string }[]
  await run('payments.put_gateway_mix', { storeId: orders[0]?.storeId, mix }, 'mix')
  // Five in a hundred are declined at one of the two gateways only, so that the other one takes them over.
  const tokenOf = (n: number): string =>
    n % 20 !== 7 ? 'tok_ok' : n % 40 === 7 ? 'tok_declined_soft_at_sandbox' : 'tok_declined_soft_at_borealis'
  const calls = orders.map((order, n) => ({
    context,
    input: { ...order, payment: { legs: [{ means: 'card', token: tokenOf(n) }] } },
    idempotencyKey: `selector-${n}`,
  }))
  const began = performance.now()
  // A few at a time, as customers come: a thousand at once would all be chosen for before the first was declined.
  for (let from = 0; from < calls.length; from += 20) await core.runner.runMany('orders.place', calls.slice(from, from + 20))
  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  const taken = async (): Promise<Map<string, number>> => {
    const { rows } = await admin.query<{ gateway: string; n: number }>(
      `select gateway, count(*)::int as n from payments.attempt where state = 'succeeded' group by gateway`,
    )
    return new Map(rows.map(({ gateway, n }) => [gateway, n]))
  }
  const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, n) => all + n, 0)
  while (sum(await taken()) < payments && performance.now() - began < 120_000) {
    await core.payments.sweep({ traffic: 'live', rehearsalId: null })
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const seconds = (performance.now() - began) / 1000
  const counts = await taken()
  const { rows: failovers } = await admin.query<{ n: number }>(
    `select count(*)::int as n from payments.attempt where state = 'declined_soft'`,
  )
  const { rows: twice } = await admin.query<{ n: number }>(
    `select count(*)::int as n from (select leg_id from payments.attempt where state = 'succeeded' group by leg_id having count(*) > 1) t`,
  )
  await admin.end()
  await core.close()
  const deviation = Math.abs((counts.get('sandbox') ?? 0) - payments * 0.7)

  const choosing = { means: 'card', amountMinor: 1_000, currency: 'CAD', country: '' } as const
  const choices = 2_000_000
  const usable = () => true
  const running = new Map<string, number>()
  const from = performance.now()
  for (let n = 0; n < choices; n += 1) {
    const [first = ''] = rankGateways(mix, choosing, running, usable)
    running.set(first, (running.get(first) ?? 0) + 1)
  }
  const choicesPerSecond = (choices / (performance.now() - from)) * 1000
  const strays = (pick: (n: number) => boolean, window: number): number => {
    let worst = 0
    const picks = Array.from({ length: 20_000 }, (_, n) => (pick(n) ? 1 : 0))
    let inWindow = 0
    picks.forEach((picked, n) => {
      inWindow += picked - (n >= window ? (picks[n - window] ?? 0) : 0)
      if (n >= window - 1) worst = Math.max(worst, Math.abs(inWindow - window * 0.7))
    })
    return worst
  }
  const fresh = new Map<string, number>()
  const ours = strays(() => {
    const [first = ''] = rankGateways(mix, choosing, fresh, usable)
    fresh.set(first, (fresh.get(first) ?? 0) + 1)
    return first === 'sandbox'
  }, 1_000)
  const dice = strays(() => Math.random() < 0.7, 1_000)
  printReport({
    bench: 'pg-selector',
    rows: [
      { what: `payments taken, ${failovers[0]?.n} soft declines failed over`, value: sum(counts), unit: '', beside: `${payments} asked` },
      { what: 'taken by the gateway of 70 %', value: counts.get('sandbox') ?? 0, unit: '', beside: `bar ${payments * 0.7} ± 1` },
      { what: 'taken by the gateway of 30 %', value: counts.get('borealis') ?? 0, unit: '', beside: `bar ${payments * 0.3} ± 1` },
      { what: 'payments a second, orders and sweep included', value: payments / seconds, unit: '/s' },
      { what: 'choices a second, one core', value: choicesPerSecond, unit: '/s' },
      { what: 'worst window of 1,000 choices, off by', value: ours, unit: 'payments', beside: 'bar 1' },
      { what: 'rival: dice, worst window of 1,000, off by', value: dice, unit: 'payments' },
    ],
    figures: { deviation, failovers: failovers[0]?.n ?? 0, choicesPerSecond, worstWindow: ours, diceWorstWindow: dice },
    counts: { lost: payments - sum(counts), doubled: twice[0]?.n ?? 0, errors: 0 },
  })
} finally {
  await house.close()
}
