import { setTimeout as delay } from 'node:timers/promises'
import { ticksOf, type TickSize } from './agenda.ts'
import { type KnownOrder, type OlistDesk, ordersOfStore, valueOf } from './desk.ts'
import type { OlistFolder } from './folder.ts'
import { mondayAfter, quotaOf, slotOf, vehiclesFor, zonesOf } from './geography.ts'
import { isSettled, judge, type Verdict } from './judge.ts'
import { olistStore, type OrderPlan, planOrders, skusOf, type StepKind } from './order-plan.ts'
import { type Run, runOf, stepFunctions } from './steps.ts'

export interface PlayOptions {
  readonly desk: OlistDesk
  /** Told now and then how far the story has come. */
  readonly progress?: (at: Date, stepsDone: number) => void
  readonly tick?: TickSize
  /** How long one tick, or the last events, may take before what is left is called a trouble. */
  readonly patienceMs?: number
}

/**
 * A day of the data set at once: it has about 30 steps. Larger ticks are faster and less true: everything that orders and
 * payments note of it gets the tick's last instant (waybills and tracking get the exact ones).
 */
const oneDay: TickSize = { longestMs: 24 * 3600 * 1000, mostSteps: 1_000 }

/**
 * Plays all orders of a folder through Throughline in the data set's time order and judges where each has ended. What an
 * earlier run has done is found again and not done twice.
 */
export async function playOlist(folder: OlistFolder, options: PlayOptions): Promise<Verdict[]> {
  const { desk, patienceMs = 60_000 } = options
  const plans = planOrders(folder)
  const before = await ordersOfStore(desk, olistStore.storeId)
  const runs = new Map<OrderPlan, Run>()
  for (const plan of plans) {
    const known = before.get(plan.customerId) ?? null
    if (plan.place !== null && !(known !== null && isSettled(plan, known))) runs.set(plan, runOf(plan, known))
  }
  const slots = new Slots(desk)
  await settle(folder, { desk, runs: [...runs.values()] })
  let stepsDone = 0
  for (const { at, due } of ticksOf([...runs.keys()], options.tick ?? oneDay)) {
    // Routing looks for a slot on the Monday to come: whoever is still on the way to it must have found it before it passes.
    if (slots.passed(at)) await untilQuiet(desk, patienceMs)
    desk.setClock(at)
    const open = [...due].flatMap(([plan, steps]) => {
      const run = runs.get(plan)
      return run === undefined ? [] : [{ run, steps }]
    })
    await slots.open(open, at)
    stepsDone += await playTick(desk, open, patienceMs)
    options.progress?.(at, stepsDone)
  }
  await untilQuiet(desk, patienceMs)
  const after = await ordersOfStore(desk, olistStore.storeId)
  return plans.map((plan) => {
    // A repeated customer id names another order, which is judged by its own plan.
    const standing: KnownOrder | null = plan.place === null && plan.reasons.some(({ code }) => code === 'repeated_id') ? null : (after.get(plan.customerId) ?? null)
    return judge(plan, { standing, met: runs.get(plan)?.met ?? [] })
  })
}

/** Registers what the orders need that an earlier run has not brought: with nothing to place, nothing is touched. */
async function settle(folder: OlistFolder, { desk, runs }: { desk: OlistDesk; runs: readonly Run[] }): Promise<void> {
  const all = async (operation: string, inputs: readonly object[]): Promise<void> => {
    const outcomes = await desk.call(
      operation,
      inputs.map((input) => ({ input })),
    )
    for (const outcome of outcomes) valueOf(outcome, operation)
  }
  if (runs.every(({ known }) => known !== null && known.moneyState !== 'none')) return
  const features = zonesOf(folder.places.values())
  await all('orders.put_store', [olistStore])
  await all('orders.put_sku', skusOf(folder))
  if (features.length === 0) return
  const [imported] = await desk.call('zones.import', [{ input: { type: 'FeatureCollection', features } }])
  const { features: answers } = valueOf<{ features: { ok: boolean; error?: { detail: string } }[] }>(imported, 'zones.import')
  const refused = answers.find(({ ok }) => !ok)
  if (refused !== undefined) throw new Error(`zones.import refused a zone: ${refused.error?.detail}`)
  await all('vehicles.put', vehiclesFor(features.length))
}

/** Slots, opened as the clock comes to their week and only where something will be paid. */
class Slots {
  readonly #desk: OlistDesk
  readonly #opened = new Set<string>()
  #monday: string | undefined

  constructor(desk: OlistDesk) {
    this.#desk = desk
  }

  /** Whether the Monday that open slots are on will have begun at this instant. */
  passed(at: Date): boolean {
    return this.#monday !== undefined && this.#monday !== mondayAfter(at)
  }

  async open(due: readonly { run: Run; steps: number }[], at: Date): Promise<void> {
    const monday = mondayAfter(at)
    this.#monday = monday
    const zones = new Set<string>()
    for (const { run, steps } of due) {
      const { zoneCode } = run.plan
      const pays = run.plan.steps.slice(run.done, steps).some(({ kind }) => kind === 'pay')
      if (pays && zoneCode !== null && !this.#opened.has(`${zoneCode} ${monday}`)) zones.add(zoneCode)
    }
    if (zones.size === 0) return
    const slots = [...zones].map((zone) => ({ input: slotOf(zone, monday) }))
    for (const outcome of await this.#desk.call('slots.put', slots)) valueOf(outcome, 'slots.put')
    const quotas = [...zones].map((zone) => ({ input: quotaOf(zone, monday) }))
    for (const outcome of await this.#desk.call('quotas.put', quotas)) valueOf(outcome, 'quotas.put')
    for (const zone of zones) this.#opened.add(`${zone} ${monday}`)
  }
}

/** Does all steps that are due, each order in its own sequence, orders together by kind. Returns how many steps were done. */
async function playTick(desk: OlistDesk, due: readonly { run: Run; steps: number }[], patienceMs: number): Promise<number> {
  const deadline = performance.now() + patienceMs
  let done = 0
  let pauseMs = 3
  for (let open = due; ; ) {
    open = open.filter(({ run, steps }) => !run.over && run.done < steps)
    if (open.length === 0) return done
    const kinds = Map.groupBy(open, ({ run }): StepKind => run.plan.steps[run.done]?.kind ?? 'place')
    const before = open.reduce((sum, { run }) => sum + run.done, 0)
    await Promise.all([...kinds].map(([kind, entries]) => stepFunctions[kind](desk, entries.map(({ run }) => run))))
    const moved = open.reduce((sum, { run }) => sum + run.done, 0) - before
    done += moved
    if (moved > 0) {
      pauseMs = 3
      continue
    }
    if (performance.now() > deadline) {
      for (const { run } of open) {
        run.met.push({ kind: 'trouble', detail: `could not ${run.plan.steps[run.done]?.kind} within ${patienceMs} ms` })
        run.over = true
      }
      return done
    }
    // What it waits for is carried by events, a few milliseconds each.
    await delay(pauseMs)
    pauseMs = Math.min(100, pauseMs * 1.5)
  }
}

async function untilQuiet(desk: OlistDesk, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await desk.isQuiet())) {
    if (performance.now() > deadline) throw new Error(`events were still waiting after ${patienceMs} ms`)
    await delay(5)
  }
}
