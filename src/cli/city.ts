import { goods, demoStore, playRound, type StaffMove, type WaitingWaybill } from '#partners/made-city/index.ts'
import type { Outcome } from '#kernel/outcome.ts'
import { type RequestContext, systemContext, type Traffic } from '#platform/request-context.ts'
import { madeCity, type MadeCity } from '#routing'
import type { Core } from '../core.ts'

/** The made city that `start --demo`, `demo` and tests play: one seed, so that it is the same one everywhere. */
export const citySeed = 20_26

export function cityOf(now: Date, days = 7): MadeCity {
  return madeCity({ seed: citySeed, firstDate: now.toISOString().slice(0, 10), days, quotaCapacity: 5_000, vehicles: 400 })
}

const cityContext = (traffic: Traffic = 'live'): RequestContext =>
  systemContext('made_city', traffic, traffic === 'shadow' ? 'made-city' : null)

/** Calls an operation many times as the city's own people do; refusals come back as outcomes. */
export async function callMany(
  core: Core,
  operation: string,
  inputs: readonly unknown[],
  traffic: Traffic = 'live',
): Promise<Outcome<unknown>[]> {
  const context = cityContext(traffic)
  const outcomes: Outcome<unknown>[] = []
  for (let from = 0; from < inputs.length; from += 1_000) {
    outcomes.push(
      ...(await core.runner.runMany(
        operation,
        inputs.slice(from, from + 1_000).map((input) => ({ context, input })),
      )),
    )
  }
  return outcomes
}

/** Registers store, goods, zones, slots, trucks and quotas. Repeats without effect; slots that have passed are refused and stay as they are. */
export async function settleCity(core: Core, city: MadeCity, traffic: Traffic = 'live'): Promise<void> {
  await callMany(core, 'orders.put_store', [demoStore], traffic)
  await callMany(
    core,
    'orders.put_sku',
    goods.map(({ priceMinor: _, ...sku }) => sku),
    traffic,
  )
  await callMany(core, 'zones.import', [{ type: 'FeatureCollection', features: city.features }], traffic)
  await Promise.all([callMany(core, 'slots.put', city.slots, traffic), callMany(core, 'vehicles.put', city.vehicles, traffic)])
  await callMany(core, 'quotas.put', city.quotas, traffic)
}

/** One round of warehouse and drivers, through the operations that a partner would call. */
export function playCityRound(core: Core): Promise<StaffMove[]> {
  const context = cityContext()
  return playRound({
    async waiting(state, after) {
      const outcome = await core.runner.run('waybills.list', { context, input: { state, after, limit: 1_000 } })
      return outcome.ok ? (outcome.value as { waybills: WaitingWaybill[] }).waybills : []
    },
    async report(moves) {
      const outcomes = await callMany(core, 'waybills.update', moves)
      return outcomes.map((outcome) => outcome.ok)
    },
  })
}
