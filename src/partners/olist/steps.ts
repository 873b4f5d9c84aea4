import type { OlistDesk } from './desk.ts'
import type { StepKind } from './order-plan.ts'
import { payOrders } from './pay-steps.ts'
import { answers, ask, finish, giveUp, hasStep, type Question, type Run, trouble } from './runs.ts'

/** Does the next step of each run, all of one kind. A run whose step can not be done yet stays where it is and is asked again. */
export const stepFunctions: Readonly<Record<StepKind, (desk: OlistDesk, runs: readonly Run[]) => Promise<void>>> = {
  place: placeOrders,
  pay: payOrders,
  ship: shipWaybills,
  deliver: deliverWaybills,
  cancel: cancelOrders,
}

/** The same key for the same command of the same order in every run of the import. */
const keyOf = (run: Run, kind: StepKind): string => `olist-${run.plan.id}-${kind}`

const dueOf = (run: Run): Date => run.plan.steps[run.done]?.at ?? new Date(0)

async function placeOrders(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  // An idempotency key is kept for days only; an order that an earlier run placed is known by its customer for good.
  for (const run of runs) if (run.known !== null) finish(run)
  const fresh = runs.filter((run) => run.known === null)
  const outcomes = await ask(desk, 'orders.place', fresh, (run) => ({ input: run.plan.place, idempotencyKey: keyOf(run, 'place') }))
  outcomes.forEach(({ run, outcome }) => {
    if (!outcome.ok) return trouble(run, 'placing', outcome)
    run.orderId = (outcome.value as { orderId: number }).orderId
    finish(run)
  })
}

async function shipWaybills(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  const { ready, waiting } = await routedWaybills(desk, runs)
  for (const { run, reasonCode, reason } of waiting) {
    giveUp(
      run,
      reasonCode === 'no_zone' ? { kind: 'no_zone', detail: reason } : { kind: 'trouble', detail: `no route: ${reasonCode}: ${reason}` },
    )
  }
  for (const { run, waybills } of ready) {
    run.waybillIds = waybills.map(({ waybillId }) => waybillId)
    run.knownFrom = new Date(Math.max(...waybills.map(({ createdAt }) => Date.parse(createdAt))))
  }
  await report(
    desk,
    ready.map(({ run }) => run),
    'loaded',
  )
}

async function deliverWaybills(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  await report(desk, runs, 'delivered')
}

/** A step is done when all waybills of the order are reported. Reporting one again does nothing. */
async function report(desk: OlistDesk, runs: readonly Run[], to: string): Promise<void> {
  const moves = runs.flatMap((run) => run.waybillIds.map((waybillId) => ({ run, waybillId })))
  const outcomes = await ask(desk, 'waybills.update', moves, ({ run, waybillId }) => {
    const at = dueOf(run)
    // What happened before the waybill was made, or before the report ahead of it, can only have been seen by us now.
    return { input: { waybillId, to, ...(run.knownFrom !== null && at >= run.knownFrom ? { occurredAt: at.toISOString() } : {}) } }
  })
  const left = new Set<Run>()
  outcomes.forEach(({ run: { run }, outcome }) => {
    if (outcome.ok) return
    left.add(run)
    trouble(run, `reporting ${to}`, outcome)
  })
  for (const run of runs) {
    if (left.has(run)) continue
    run.knownFrom = run.knownFrom !== null && dueOf(run) >= run.knownFrom ? dueOf(run) : desk.now()
    finish(run)
  }
}

async function cancelOrders(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  const outcomes = await ask(desk, 'orders.cancel', await readyToCancel(desk, runs), (run) => ({
    input: { order: String(run.orderId), reason: `${run.plan.status} in the data set` },
    idempotencyKey: keyOf(run, 'cancel'),
  }))
  outcomes.forEach(({ run, outcome }) => {
    if (!outcome.ok) return trouble(run, 'cancelling', outcome)
    const { cancelled, claimIds } = outcome.value as { cancelled: number[]; claimIds: number[] }
    finish(run)
    // What has left is not cancelled: a return is opened for it, once, and waits for its answer.
    if (hasStep(run, 'ship') && cancelled.length === 0)
      run.met.push({ kind: 'cancel_too_late', detail: claimIds.length > 0 ? 'a return was opened' : 'its return is open' })
  })
}

/**
 * A cancel waits until the order has come as far as its earlier steps lead: what happened a day before must not be overtaken
 * only because it is carried by events.
 */
async function readyToCancel(desk: OlistDesk, runs: readonly Run[]): Promise<Run[]> {
  const states = await answers(desk, stateOfOrder, runs)
  const paid: Run[] = []
  const ready = states.flatMap(({ run, answer: state }) => {
    const wanted = hasStep(run, 'deliver') ? 'delivered' : hasStep(run, 'ship') ? 'shipped' : hasStep(run, 'pay') ? 'allocated' : state
    if (state === wanted || state === 'cancelled') return [run]
    if (wanted === 'allocated' && state === 'paid') paid.push(run)
    return []
  })
  // One that waits for a route in vain is cancelled as it stands.
  const { waiting } = await routedWaybills(desk, paid)
  return [...ready, ...waiting.map(({ run }) => run)]
}

interface WaybillView {
  readonly waybillId: number
  readonly state: string
  readonly createdAt: string
}

interface AssignmentView {
  readonly waybillId: number
  readonly state: string
  readonly reasonCode: string | null
  readonly reason: string | null
}

interface Routed {
  /** All waybills have a route, or had one. */
  readonly ready: { run: Run; waybills: readonly WaybillView[] }[]
  /** Routing has looked and found no place; nothing will change that by itself. */
  readonly waiting: { run: Run; reasonCode: string; reason: string }[]
}

/** Which orders have routes for all their waybills, and which wait for one in vain; of the others nothing is known yet. */
export async function routedWaybills(desk: OlistDesk, runs: readonly Run[]): Promise<Routed> {
  const isRouted = (waybills: readonly WaybillView[]): boolean => waybills.length > 0 && waybills.every(({ state }) => state !== 'created')
  const lists = await answers(desk, waybillsOfOrder, runs)
  const ready = lists.flatMap(({ run, answer: waybills }) => (isRouted(waybills) ? [{ run, waybills }] : []))
  const open = lists.flatMap(({ run, answer: waybills }) => (waybills.length > 0 && !isRouted(waybills) ? [run] : []))
  const waiting = (await answers(desk, assignmentsOfOrder, open)).flatMap(({ run, answer: assignments }) => {
    const stuck = assignments.find(({ state }) => state === 'waiting')
    return stuck === undefined ? [] : [{ run, reasonCode: stuck.reasonCode ?? '', reason: stuck.reason ?? '' }]
  })
  return { ready, waiting }
}

const stateOfOrder: Question<string> = {
  operation: 'orders.get',
  inputOf: (run) => ({ order: String(run.orderId) }),
  read: (value) => (value as { state: string }).state,
}
const waybillsOfOrder: Question<readonly WaybillView[]> = {
  operation: 'waybills.list_by_order',
  inputOf: (run) => ({ orderId: run.orderId }),
  read: (value) => (value as { waybills: WaybillView[] }).waybills,
}
const assignmentsOfOrder: Question<readonly AssignmentView[]> = {
  operation: 'assignments.list_by_order',
  inputOf: (run) => ({ orderId: run.orderId }),
  read: (value) => (value as { assignments: AssignmentView[] }).assignments,
}
