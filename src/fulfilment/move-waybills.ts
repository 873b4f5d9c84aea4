import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { describedEvent, movedEvent, type WaybillMoved } from './events.ts'
import { alreadyPassed, stepsBetween, type WaybillState } from './lifecycle.ts'
import type { SlotChoice } from './waybill.ts'
import { lockWaybills, type StoredWaybill, updateWaybills, type WaybillChange } from './waybill-store.ts'

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

/** A route given to a waybill by routing. `attempt` is the attempt that the route was found for. */
export interface RouteWaybill {
  readonly waybillId: number
  readonly attempt: number
  readonly date: string
  readonly slotCode: string
  readonly routeId: number
  readonly actor: string
  readonly commandId: string
}

export interface MovedWaybill {
  readonly waybillId: number
  readonly orderId: number
  readonly state: WaybillState
  readonly attempt: number
  /** False when the waybill stood there already, or had passed there. */
  readonly changed: boolean
}

const farthestAheadMs = 24 * 3600 * 1000

/** What one command does to one waybill, decided without I/O. */
interface Decision {
  readonly steps: readonly WaybillState[]
  readonly after: StoredWaybill
  readonly reason: string | null
}

type Decide<Command> = (waybill: StoredWaybill, command: Command, now: Date) => Outcome<Decision | null>

const unmovable = (waybill: StoredWaybill, to: WaybillState) =>
  refused('fulfilment.not_movable', `waybill ${waybill.waybillId} is ${waybill.state} and cannot become ${to}`, '/to', {
    state: waybill.state,
  })

export const decideMove: Decide<MoveWaybill> = (waybill, command, now) => {
  const { to, occurredAt = now } = command
  if (occurredAt.getTime() > now.getTime() + farthestAheadMs)
    return refused('fulfilment.in_the_future', `${occurredAt.toISOString()} is more than a day ahead`, '/occurredAt')
  if (alreadyPassed(waybill.state, to)) return accepted(null)
  if (to === 'routed')
    return refused('fulfilment.needs_a_route', 'only routing can make a waybill routed: it must first have a place on a truck', '/to')
  const steps = stepsBetween(waybill.state, to)
  if (steps === undefined) return unmovable(waybill, to)
  const rescheduled = to === 'rescheduled'
  return accepted({
    steps,
    reason: command.reason ?? null,
    after: {
      ...waybill,
      state: to,
      movedAt: occurredAt,
      version: waybill.version + 1,
      ...(rescheduled ? { slot: command.slot ?? null, routeId: null } : {}),
    },
  })
}

export const decideRoute: Decide<RouteWaybill> = (waybill, command, now) => {
  const again = waybill.state === 'rescheduled'
  const attempt = again ? waybill.attempt + 1 : waybill.attempt
  const sameRoute = waybill.routeId === command.routeId && waybill.attempt === command.attempt
  if (sameRoute) return accepted(null)
  const steps = stepsBetween(waybill.state, 'routed')
  // A route found for an attempt that is over must not be taken for the next one.
  if (steps === undefined || attempt !== command.attempt) return unmovable(waybill, 'routed')
  return accepted({
    steps,
    reason: null,
    after: {
      ...waybill,
      state: 'routed',
      attempt,
      routeId: command.routeId,
      slot: { date: command.date, code: command.slotCode },
      movedAt: now,
      version: waybill.version + 1,
    },
  })
}

interface AnyCommand {
  readonly waybillId: number
  readonly actor: string
  readonly commandId: string
}

/**
 * Locks the waybills of the commands, decides each command on what the one before it left, and writes every waybill once.
 * Three statements for any number of commands: lock, write with history, announce.
 */
async function apply<Command extends AnyCommand>(
  context: WriteContext,
  commands: readonly Command[],
  { decide, cause }: { decide: Decide<Command>; cause: string },
): Promise<Outcome<MovedWaybill>[]> {
  if (commands.length === 0) return []
  const before = await lockWaybills(
    context,
    commands.map((command) => command.waybillId),
  )
  const after = new Map<number, StoredWaybill>()
  const changes: WaybillChange[] = []
  const events: ReturnType<typeof movedEvent>[] = []

  const outcomes = commands.map((command): Outcome<MovedWaybill> => {
    const waybill = after.get(command.waybillId) ?? before.get(command.waybillId)
    if (waybill === undefined) return refused('fulfilment.unknown_waybill', `there is no waybill ${command.waybillId}`, '/waybillId')
    const decided = decide(waybill, command, context.now)
    if (!decided.ok) return decided
    const { waybillId, orderId } = waybill
    if (decided.value === null) return accepted({ waybillId, orderId, state: waybill.state, attempt: waybill.attempt, changed: false })
    const { steps, after: next, reason } = decided.value
    after.set(waybillId, next)
    changes.push({
      waybillId,
      from: waybill.state,
      steps,
      cause: reason === null ? cause : `${cause}: ${reason}`,
      commandId: command.commandId,
      actor: command.actor,
    })
    const moved: WaybillMoved = {
      waybillId,
      orderId,
      sectionNo: waybill.sectionNo,
      itemNos: waybill.items.map((item) => item.itemNo),
      from: waybill.state,
      to: next.state,
      via: steps.slice(0, -1),
      attempt: next.attempt,
      occurredAt: next.movedAt.toISOString(),
      reason,
    }
    events.push(movedEvent(moved))
    if (next.state === 'rescheduled')
      events.push(describedEvent('waybillRescheduled', next, { attempt: next.attempt + 1, at: context.now }))
    return accepted({ waybillId, orderId, state: next.state, attempt: next.attempt, changed: true })
  })

  const updates = [...after].map(([waybillId, next]) => ({ before: before.get(waybillId) as StoredWaybill, after: next }))
  await updateWaybills(context, updates, changes)
  await context.announce(events)
  return outcomes
}

/** Moves 1 to 1,000 waybills; each outcome is its own. Errors: unknown_waybill, not_movable, needs_a_route, in_the_future. */
export function moveWaybills(context: WriteContext, commands: readonly MoveWaybill[]): Promise<Outcome<MovedWaybill>[]> {
  return apply(context, commands, { decide: decideMove, cause: 'waybills.update' })
}

/** Notes the routes that routing found. A waybill that was cancelled meanwhile is refused with not_movable, which is no accident: routing hears of the cancel too. */
export function routeWaybills(context: WriteContext, commands: readonly RouteWaybill[]): Promise<Outcome<MovedWaybill>[]> {
  return apply(context, commands, { decide: decideRoute, cause: 'fulfilment.route' })
}
