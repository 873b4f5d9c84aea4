import { openLedger } from '#ledger'
import type { ChargeCall } from '#payments'
import { type AssignWaybill, madeCity, openRouting } from '#routing'
import { openTestDatabases } from '#test/databases.ts'
import { drawOf } from '#partners/sandbox-pg/draws.ts'
import { off, type Scenario } from '#test/races.ts'

const clients = 16

/**
 * Sixteen clients at two processes take from and put onto one wallet. Fails when the balance is read, added to and written
 * back without a lock.
 */
export const walletBalance: Scenario = async (seed, rounds) => {
  const t = await openTestDatabases()
  try {
    const database = t.databases.of('ledger')
    const ledgers = [openLedger({ database }), openLedger({ database })]
    const credit = ledgers[0]?.operations.find(({ id }) => id === 'ledger.credit_account')
    let put = 0
    let taken = 0
    let refused = 0
    const client = async (no: number): Promise<void> => {
      for (let round = no; round < rounds * clients; round += clients) {
        const amountMinor = 1 + Math.floor(drawOf(seed, `amount ${round}`) * 100)
        if (drawOf(seed, `what ${round}`) < 0.5) {
          const input = { means: 'wallet', holder: 'C1', currency: 'CAD', amountMinor, source: 'gift', reason: 'race' }
          const asked = { input, actor: { id: 'test', scopes: ['*'] }, commandId: `credit ${round}`, traceId: '' }
          const outcomes = await database.write(t.live, async (context) => credit?.body(context, [asked]))
          if (outcomes?.[0]?.ok) put += amountMinor
          else throw new Error(JSON.stringify(outcomes))
        } else {
          const call: ChargeCall = {
            key: `charge ${round}`,
            traffic: 'live',
            rehearsalId: null,
            means: 'wallet',
            token: '',
            amountMinor,
            currency: 'CAD',
            reference: '1',
            customerId: 'C1',
            instalments: 1,
            returnUrl: '',
          }
          const result = await ledgers[no % 2]?.gateways[0]?.charge(call)
          if (result?.outcome === 'succeeded') taken += amountMinor
          else refused += 1
        }
      }
    }
    await Promise.all(Array.from({ length: clients }, (_, no) => client(no)))
    const admin = await t.admin('live')
    const { rows } = await admin.query<{ balance: number }>(
      `select balance_minor::int as balance from ledger.account where id = 'wallet:C1:CAD'`,
    )
    const checks = await database.read(t.live, async (context) => (await ledgers[0]?.check(context)) ?? [])
    return {
      rounds,
      figures: { clients, put, taken, refused },
      counts: {
        'minor units off': off(rows[0]?.balance, put - taken),
        'below zero': (rows[0]?.balance ?? 0) < 0 ? 1 : 0,
        breaks: checks.flatMap(({ breaks }) => breaks).length,
      },
    }
  } finally {
    await t.close()
  }
}

/**
 * Sixteen clients take places of one slot and give some back. Fails when places are counted before the quota is locked.
 */
export const quotaPlaces: Scenario = async (seed, rounds) => {
  const t = await openTestDatabases()
  try {
    const database = t.databases.of('routing')
    const routing = openRouting({ database })
    const who = { actor: 'test', commandId: 'c' }
    // Room for half of those who ask.
    const capacity = Math.max(1, Math.floor((rounds * clients) / 2))
    const city = madeCity({ seed, firstDate: '2026-03-03', days: 1, quotaCapacity: capacity, vehicles: 24 })
    await database.write(t.live, (context) => routing.importZones(context, [{ features: city.features }]))
    await database.write(t.live, (context) => routing.putSlots(context, city.slots))
    await database.write(t.live, (context) => routing.putQuotas(context, city.quotas))
    const big = { type: 'dry', weightGrams: 2_000_000_000, volumeMl: 2_000_000_000, pieces: 2_000_000_000 } as const
    await database.write(t.live, (context) => routing.putVehicles(context, [{ code: 'ALL', ...big }]))
    const slot = { date: '2026-03-03', code: city.slots[0]?.code ?? '' }
    let assigned = 0
    let givenBack = 0
    const client = async (no: number): Promise<void> => {
      for (let round = no; round < rounds * clients; round += clients) {
        const waybillId = round + 1
        const waybill: AssignWaybill = {
          waybillId,
          orderId: waybillId,
          destination: city.address(0),
          slot,
          skuType: 'dry',
          weightGrams: 1,
          volumeMl: 1,
          pieces: 1,
          ...who,
        }
        const [outcome] = await database.write(t.live, (context) => routing.assignWaybills(context, [waybill]))
        if (!outcome?.ok || outcome.value.state !== 'assigned') continue
        assigned += 1
        if (drawOf(seed, `back ${round}`) >= 0.3) continue
        const [released] = await database.write(t.live, (context) =>
          routing.releaseAssignments(context, [{ waybillId, attempt: 1, ...who }]),
        )
        if (released?.ok) givenBack += released.value.places
      }
    }
    await Promise.all(Array.from({ length: clients }, (_, no) => client(no)))
    const admin = await t.admin('live')
    const { rows } = await admin.query<{ used: number; over: number }>(
      'select coalesce(sum(used), 0)::int as used, count(*) filter (where used > capacity)::int as over from routing.quota',
    )
    const laws = await database.read(t.live, (context) => routing.check(context))
    return {
      rounds,
      figures: { clients, assigned, givenBack },
      counts: {
        'places off': off(rows[0]?.used, assigned - givenBack),
        'quotas oversold': rows[0]?.over ?? 0,
        'nobody got a place': assigned === 0 ? 1 : 0,
        breaks: laws.filter(({ broken }) => broken > 0).length,
      },
    }
  } finally {
    await t.close()
  }
}
