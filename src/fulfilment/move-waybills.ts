import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeWaybills, type Decide, type Decision, type MovedWaybill } from './change-waybills.ts'
import { holdAgainst, type HoldKind, holdTable } from './holds.ts'
import { alreadyPassed, cancelTargetOf, isAtHome, planAgainTargetOf, stepsBetween, type WaybillState } from './lifecycle.ts'
import type { SlotChoice } from './waybill.ts'
import type { MovingWaybill } from './waybill-store.ts'

export interface MoveWaybill {
  readonly waybillId: number
  readonly to: WaybillState
  /** When it happened, if that was not now; at most a day ahead of our clock. */
  readonly occurredAt?: Date
  readonly actor: string
  readonly commandId: string
  readonly reason?: string
  /** With `rescheduled` only: the slot asked for next; absent or null takes the first free one. */
  readonly slot?: SlotChoice | null
}

/** A route given to a waybill by routing. `attempt` is the request that the route was found for. */
export interface RouteWaybill {
  readonly waybillId: number
  readonly attempt: number
  readonly date: string
  readonly slotCode: string
  readonly routeId: number
  /** Until when the place goes back to its quota when the waybill gives it up. */
  readonly cutOffAt?: Date
  readonly actor: string
  readonly commandId: string
}

export interface CancelWaybill {
  readonly waybillId: number
  readonly reason: string
  readonly actor: string
  readonly commandId: string
}

export interface RescheduleWaybill {
  readonly waybillId: number
  /** null takes the first free one. */
  readonly slot: SlotChoice | null
  readonly reason: string
  readonly actor: string
  readonly commandId: string
}

const farthestAheadMs = 24 * 3600 * 1000

const unmovable = (waybill: MovingWaybill, to: WaybillState): Outcome<never> =>
  refused('fulfilment.not_movable', `waybill ${waybill.waybillId} is ${waybill.state} and cannot become ${to}`, '/to', {
    state: waybill.state,
  })

const onHold = (waybill: MovingWaybill, kind: HoldKind, field = '/to'): Outcome<never> =>
  refused(
    'fulfilment.on_hold',
    `waybill ${waybill.waybillId} has an open hold (${kind}: ${holdTable[kind].about}); release it first`,
    field,
    { hold: kind },
  )

export const decideMove: Decide<MoveWaybill> = (waybill, command, now) => {
  const { to, occurredAt = now } = command
  if (occurredAt.getTime() > now.getTime() + farthestAheadMs)
    return refused('fulfilment.in_the_future', `${occurredAt.toISOString()} is more than a day ahead`, '/occurredAt')
  if (alreadyPassed(waybill, to)) return accepted(null)
  if (to === 'routed')
    return refused('fulfilment.needs_a_route', 'only routing can make a waybill routed: it must first have a place on a truck', '/to')
  // To be planned again is a wish, not a report: waybills.reschedule.
  if (to === 'created') return unmovable(waybill, to)
  const steps = stepsBetween(waybill, to)
  if (steps === undefined) return unmovable(waybill, to)
  const kind = holdAgainst(waybill.holds, steps)
  if (kind !== undefined) return onHold(waybill, kind)
  const reason = command.reason ?? null
  if (to === 'rescheduled') return accepted(planAgain(waybill, to, { slot: command.slot ?? null, reason, now: occurredAt }))
  // What is packed waits for nobody any more.
  const readyAt = steps.includes('packed') ? null : waybill.readyAt
  return accepted({ steps, reason, after: { ...waybill, readyAt, state: to, movedAt: occurredAt, version: waybill.version + 1 } })
}

/** A waybill that gives its place back and has no route any more; it asks for the slot anew, with the next number. */
export function planAgain<W extends MovingWaybill>(
  waybill: W,
  to: 'created' | 'rescheduled',
  { slot, reason, now }: { slot: SlotChoice | null; reason: string | null; now: Date },
): Decision<W> {
  const after = {
    ...waybill,
    state: to,
    slot,
    routeId: null,
    cutOffAt: null,
    ask: waybill.ask + 1,
    // It was about the truck that it has no more; the next one is chosen by when the goods are ready.
    holds: waybill.holds.filter((kind) => kind !== 'goods_late'),
    movedAt: now,
    version: waybill.version + 1,
  }
  return { steps: [to], reason, after }
}

export const decideReschedule: Decide<RescheduleWaybill> = (waybill, { slot, reason }, now) => {
  const to = planAgainTargetOf(waybill)
  if (to === undefined) return unmovable(waybill, 'rescheduled')
  const same = waybill.slot?.date === slot?.date && waybill.slot?.code === slot?.code
  // It has the slot, or has asked for it.
  if (same && (slot !== null || to === waybill.state) && waybill.state !== 'attempt_failed') return accepted(null)
  return accepted(planAgain(waybill, to, { slot, reason, now }))
}

export const decideCancel: Decide<CancelWaybill> = (waybill, { reason }, now) => {
  const to = cancelTargetOf(waybill)
  if (to !== undefined)
    return accepted({ steps: [to], reason, after: { ...waybill, state: to, movedAt: now, version: waybill.version + 1 } })
  return waybill.state === 'cancelled' || waybill.state === 'returning' ? accepted(null) : unmovable(waybill, 'cancelled')
}

export const decideRoute: Decide<RouteWaybill> = (waybill, command, now) => {
  if (waybill.routeId === command.routeId && waybill.ask === command.attempt) return accepted(null)
  // The same request on another truck: a run or a dispatcher moved it. What has left is where it is, whatever was planned.
  if (waybill.routeId !== null && waybill.ask === command.attempt && (isAtHome(waybill) || waybill.state === 'routed')) {
    const { routeId, cutOffAt = waybill.cutOffAt } = command
    return accepted({ steps: [], reason: null, after: { ...waybill, routeId, cutOffAt, movedAt: now, version: waybill.version + 1 } })
  }
  const steps = stepsBetween(waybill, 'routed')
  // A route found for a request that was taken back must not be taken for the next one.
  if (steps === undefined || waybill.ask !== command.attempt) return unmovable(waybill, 'routed')
  return accepted({
    steps,
    reason: null,
    after: {
      ...waybill,
      state: 'routed',
      attempt: waybill.state === 'rescheduled' ? waybill.attempt + 1 : waybill.attempt,
      routeId: command.routeId,
      slot: { date: command.date, code: command.slotCode },
      cutOffAt: command.cutOffAt ?? null,
      movedAt: now,
      version: waybill.version + 1,
    },
  })
}

/** Moves 1 to 1,000 waybills; each outcome is its own. Errors: unknown_waybill, not_movable, on_hold, needs_a_route, in_the_future. */
export const moveWaybills = (context: WriteContext, commands: readonly MoveWaybill[]): Promise<Outcome<MovedWaybill>[]> =>
  changeWaybills(context, commands, { decide: decideMove, cause: 'waybills.update' })

/** Calls waybills off: before they are loaded they are cancelled, from then on they come back. */
export const callOffWaybills = (context: WriteContext, commands: readonly CancelWaybill[]): Promise<Outcome<MovedWaybill>[]> =>
  changeWaybills(context, commands, { decide: decideCancel, cause: 'waybills.cancel' })

/** Gives waybills another slot, until they are loaded and after a failed attempt. A held one asks for it when it is released. */
export const rescheduleWaybills = (context: WriteContext, commands: readonly RescheduleWaybill[]): Promise<Outcome<MovedWaybill>[]> =>
  changeWaybills(context, commands, { decide: decideReschedule, cause: 'waybills.reschedule' })

/** Notes the routes that routing found. A waybill that was cancelled meanwhile is refused with not_movable, which is no accident: routing hears of the cancel too. */
export const routeWaybills = (context: WriteContext, commands: readonly RouteWaybill[]): Promise<Outcome<MovedWaybill>[]> =>
  changeWaybills(context, commands, { decide: decideRoute, cause: 'fulfilment.route' })
