import { setTimeout as delay } from 'node:timers/promises'
import { type Tick, ticksOf, type TickSize } from './agenda.ts'
import { type KnownOrder, type OlistDesk, ordersOfStore, valueOf } from './desk.ts'
import type { OlistFolder } from './folder.ts'
import { mondayAfter, quotaOf, slotOf, vehiclesFor, zonesOf } from './geography.ts'
import { isSettled, judge, type Verdict } from './judge.ts'
import { olistStore, type OrderPlan, planOrders, skusOf, type StepKind } from './order-plan.ts'
import { heldOf } from './pay-steps.ts'
import { hasStep, paidBefore, type Run, runOf } from './runs.ts'
import { routedWaybills, stepFunctions } from './steps.ts'

export interface PlayOptions {
  readonly desk: OlistDesk
  /** Told now and then how far the story has come. */
  readonly progress?: (at: Date, stepsDone: number) => void
  readonly tick?: TickSize
  /** How long anything may be waited for before it is called a trouble. */
  readonly patienceMs?: number
}

/**
 * A week of the data set at once: about 200 steps. What a step waits for is carried by events, some 100 ms from payment to
 * route, and a tick waits for that once: with four days it was 140 orders/s, with seven 220. Larger is faster and less true,
 * see playTick.
 */
const oneWeek: TickSize = { longestMs: 7 * 24 * 3600 * 1000, mostSteps: 4_000 }

/**
 * Plays all orders of a folder through Throughline in the data set's time order and judges where each has ended. What an
 * earlier run has done is found again and not done twice.
 */
export async function playOlist(folder: OlistFolder, options: PlayOptions): Promise<Verdict[]> {
  const { desk, patienceMs = 60_000 } = options
  const plans = planOrders(folder)
  const before = await takeUp(desk, patienceMs)
  const runs = new Map<OrderPlan, Run>()
  for (const plan of plans) {
    const known = before.get(plan.customerId) ?? null
    if (plan.place !== null && !(known !== null && isSettled(plan, known))) runs.set(plan, runOf(plan, known))
  }
  await settle(folder, { desk, runs: [...runs.values()] })
  await playTicks(ticksOf([...runs.keys()], options.tick ?? oneWeek), { ...options, runs, patienceMs })
  await untilQuiet(desk, patienceMs)
  const after = await ordersOfStore(desk, olistStore.storeId)
  const held = await heldOf(
    desk,
    [...after.values()].map(({ orderId }) => orderId),
  )
  return plans.map((plan) => {
    // A repeated customer id names another order, which is judged by its own plan.
    const isOther = plan.reasons.some(({ code }) => code === 'repeated_id')
    const standing = isOther ? null : (after.get(plan.customerId) ?? null)
    return judge(plan, { standing, held: held.get(standing?.orderId ?? 0) ?? null, met: runs.get(plan)?.met ?? [] })
  })
}

/** Starts the house and lets it finish what an earlier run has left on its way. Returns the orders that are there. */
async function takeUp(desk: OlistDesk, patienceMs: number): Promise<Map<string, KnownOrder>> {
  const left = await ordersOfStore(desk, olistStore.storeId)
  if (left.size > 0) {
    // What is left must be carried on when it was left: at any other time its slots would be past or too far ahead.
    advance(desk, new Date([...left.values()].reduce((last, { placedAt }) => Math.max(last, Date.parse(placedAt)), 0)))
  }
  desk.start()
  for (let round = 1; left.size > 0 && round <= sweepRounds; round += 1) {
    await untilQuiet(desk, patienceMs)
    advance(desk, new Date(desk.now().getTime() + betweenSweepsMs))
    await desk.sweepPayments()
  }
  await untilQuiet(desk, patienceMs)
  return left.size > 0 ? ordersOfStore(desk, olistStore.storeId) : left
}

/** Ask, try again, and once more for what the second try found; further apart than a gateway may take to know a charge. */
const sweepRounds = 3
const betweenSweepsMs = 120_000

interface Stage extends PlayOptions {
  readonly runs: ReadonlyMap<OrderPlan, Run>
  readonly patienceMs: number
}

async function playTicks(ticks: readonly Tick[], stage: Stage): Promise<void> {
  const slots = new Slots(stage.desk)
  let stepsDone = 0
  for (const tick of ticks) {
    stepsDone += await playTick(tick, { ...stage, slots })
    stage.progress?.(tick.to, stepsDone)
  }
}

/**
 * One tick in two halves. Orders that are new in it are placed and paid at its first instant and have their routes before its
 * clock moves on to its last, at which what happened on the road is reported, each with its own instant. So no parcel leaves
 * before we know of it, and ways and deliveries are exact; only placing and paying are noted up to a tick too early.
 */
async function playTick({ from, to, due }: Tick, { desk, runs, slots, patienceMs }: Stage & { slots: Slots }): Promise<number> {
  const all = [...due].flatMap(([plan, steps]) => {
    const run = runs.get(plan)
    return run === undefined ? [] : [{ run, steps }]
  })
  const patience = { untilMs: performance.now() + patienceMs, patienceMs }
  advance(desk, from)
  const buys = all.flatMap(({ run, steps }) => {
    const bought = run.plan.steps.slice(0, steps).filter(({ kind }) => kind === 'place' || kind === 'pay').length
    return bought > run.done ? [{ run, steps: bought }] : []
  })
  const pays = buys.flatMap(({ run, steps }) =>
    !paidBefore(run) && run.plan.steps.slice(run.done, steps).some(({ kind }) => kind === 'pay') ? [run] : [],
  )
  await slots.open(pays, desk.now())
  let done = await doSteps(desk, buys, patience)
  await untilRouted(desk, pays, patience)
  advance(desk, to)
  done += await doSteps(desk, all, patience)
  return done
}

/** The clock never goes back: what an import that follows another has still to do is done after all that the other did. */
function advance(desk: OlistDesk, at: Date): void {
  if (at > desk.now()) desk.setClock(at)
}

interface Patience {
  readonly untilMs: number
  readonly patienceMs: number
}

const isOut = ({ untilMs }: Patience): boolean => performance.now() > untilMs

/** Does all steps that are due: orders together by kind, each order in its own sequence. Returns how many steps were done. */
async function doSteps(
  desk: OlistDesk,
  due: readonly { readonly run: Run; readonly steps: number }[],
  patience: Patience,
): Promise<number> {
  let done = 0
  let pauseMs = shortestPauseMs
  for (let open = due; ; ) {
    open = open.filter(({ run, steps }) => !run.over && run.done < steps)
    if (open.length === 0) return done
    const kinds = Map.groupBy(open, ({ run }): StepKind => run.plan.steps[run.done]?.kind ?? 'place')
    const before = stepsOf(open)
    await Promise.all(
      [...kinds].map(([kind, entries]) =>
        stepFunctions[kind](
          desk,
          entries.map(({ run }) => run),
        ),
      ),
    )
    const moved = stepsOf(open) - before
    done += moved
    if (isOut(patience)) {
      for (const { run, steps } of open) if (!run.over && run.done < steps) giveUp(run, patience)
      return done
    }
    // What comes next is carried by events: nothing is there at once, and asking without a pause would only slow it down.
    pauseMs = moved > 0 ? shortestPauseMs : Math.min(100, pauseMs * 1.5)
    await delay(pauseMs)
  }
}

const shortestPauseMs = 8

const stepsOf = (entries: readonly { readonly run: Run }[]): number => entries.reduce((sum, { run }) => sum + run.done, 0)

function giveUp(run: Run, { patienceMs }: Patience): void {
  run.met.push({ kind: 'trouble', detail: `could not ${run.plan.steps[run.done]?.kind} within ${patienceMs} ms` })
  run.over = true
}

/** Waits until routing has found a place for each of these orders, or has said why not. */
async function untilRouted(desk: OlistDesk, runs: readonly Run[], patience: Patience): Promise<void> {
  for (let left = runs.filter((run) => !run.over), pauseMs = firstRouteMs; left.length > 0; pauseMs = Math.min(100, pauseMs * 0.75 + 5)) {
    await delay(pauseMs)
    const { ready, waiting } = await routedWaybills(desk, left)
    const found = new Set([...ready, ...waiting].map(({ run }) => run))
    left = left.filter((run) => !found.has(run))
    if (isOut(patience)) {
      for (const run of left) giveUp(run, patience)
      return
    }
  }
}

/** Six transactions in four contexts lie between a payment and its route; sooner than this none was ever seen. */
const firstRouteMs = 40

/** Registers what the orders need that an earlier run has not brought: with nothing to place, nothing is touched. */
async function settle(folder: OlistFolder, { desk, runs }: { desk: OlistDesk; runs: readonly Run[] }): Promise<void> {
  const all = async (operation: string, inputs: readonly object[]): Promise<void> => {
    const outcomes = await desk.call(
      operation,
      inputs.map((input) => ({ input })),
    )
    for (const outcome of outcomes) valueOf(outcome, operation)
  }
  if (runs.every((run) => run.known !== null && (paidBefore(run) || !hasStep(run, 'pay')))) return
  const features = zonesOf(folder.places.values())
  await all('orders.put_store', [olistStore])
  await all('orders.put_sku', skusOf(folder))
  if (features.length === 0) return
  const [imported] = await desk.call('zones.import', [{ input: { type: 'FeatureCollection', features } }])
  const { features: answers } = valueOf(imported, 'zones.import') as { features: { ok: boolean; error?: { detail: string } }[] }
  const refused = answers.find(({ ok }) => !ok)
  if (refused !== undefined) throw new Error(`zones.import refused a zone: ${refused.error?.detail}`)
  await all('vehicles.put', vehiclesFor(features.length))
}

/** Slots, opened as the clock comes to their week, as routing refuses those of the past, and only where something is paid. */
class Slots {
  readonly #desk: OlistDesk
  readonly #opened = new Set<string>()

  constructor(desk: OlistDesk) {
    this.#desk = desk
  }

  async open(pays: readonly Run[], at: Date): Promise<void> {
    const monday = mondayAfter(at)
    const zones = new Set(
      pays.flatMap(({ plan: { zoneCode } }) => (zoneCode === null || this.#opened.has(`${zoneCode} ${monday}`) ? [] : [zoneCode])),
    )
    if (zones.size === 0) return
    const slots = [...zones].map((zone) => ({ input: slotOf(zone, monday) }))
    for (const outcome of await this.#desk.call('slots.put', slots)) valueOf(outcome, 'slots.put')
    const quotas = [...zones].map((zone) => ({ input: quotaOf(zone, monday) }))
    for (const outcome of await this.#desk.call('quotas.put', quotas)) valueOf(outcome, 'quotas.put')
    for (const zone of zones) this.#opened.add(`${zone} ${monday}`)
  }
}

async function untilQuiet(desk: OlistDesk, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await desk.isQuiet())) {
    if (performance.now() > deadline) throw new Error(`events were still waiting after ${patienceMs} ms`)
    await delay(5)
  }
}
