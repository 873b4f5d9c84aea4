import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { describedEvent, fulfilmentEventTypes, movedEvent, type ReadyPromised, type WaybillMoved } from './events.ts'
import { quotaEffectOf, type WaybillState } from './lifecycle.ts'
import type { WaybillItem } from './waybill.ts'
import { lockToMoveWaybills, type MovingWaybill, type StoredWaybill, waybillsById } from './waybill-store.ts'
import { updateWaybills, type WaybillChange, walkOf } from './waybill-writer.ts'

export interface MovedWaybill {
  readonly waybillId: number
  readonly orderId: number
  readonly state: WaybillState
  readonly attempt: number
  /** False when the waybill stood there already, or had passed there. */
  readonly changed: boolean
}

/** What one command does to one waybill, decided without I/O. */
export interface Decision<W extends MovingWaybill = MovingWaybill> {
  readonly steps: readonly WaybillState[]
  readonly after: W
  readonly reason: string | null
}

export type Decide<Command> = (waybill: MovingWaybill, command: Command, now: Date) => Outcome<Decision | null>

export interface WaybillCommand {
  readonly waybillId: number
  readonly actor: string
  readonly commandId: string
}

/** What a command made of a waybill, to be written and told. */
export interface Applied<W extends MovingWaybill = MovingWaybill> {
  readonly before: W
  readonly decision: Decision<W>
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

export const unknownWaybill = (waybillId: number): Outcome<never> =>
  refused('fulfilment.unknown_waybill', `there is no waybill ${waybillId}`, '/waybillId')

const movedOf = ({ waybillId, orderId, state, attempt }: MovingWaybill, changed: boolean): MovedWaybill => ({
  waybillId,
  orderId,
  state,
  attempt,
  changed,
})

/**
 * Locks the waybills of the commands, decides each command on what the one before it left, and writes every waybill once.
 * Four statements for any number of commands, of which two leave with the commit: lock, write, history, announce.
 */
export async function changeWaybills<Command extends WaybillCommand>(
  context: WriteContext,
  commands: readonly Command[],
  { decide, cause }: { decide: Decide<Command>; cause: string },
): Promise<Outcome<MovedWaybill>[]> {
  if (commands.length === 0) return []
  const before = await lockToMoveWaybills(
    context,
    commands.map((command) => command.waybillId),
  )
  const after = new Map<number, MovingWaybill>()
  const applied: Applied[] = []
  const outcomes = commands.map((command): Outcome<MovedWaybill> => {
    const waybill = after.get(command.waybillId) ?? before.get(command.waybillId)
    if (waybill === undefined) return unknownWaybill(command.waybillId)
    const decided = decide(waybill, command, context.now)
    if (!decided.ok) return decided
    if (decided.value === null) return accepted(movedOf(waybill, false))
    const { commandId, actor } = command
    after.set(waybill.waybillId, decided.value.after)
    applied.push({ before: waybill, decision: decided.value, cause, commandId, actor })
    return accepted(movedOf(decided.value.after, true))
  })
  const updates = [...after].map(([waybillId, next]) => ({ before: before.get(waybillId) as MovingWaybill, after: next }))
  await updateWaybills(context, updates, applied.flatMap(changesOf))
  await context.announce(applied.flatMap(moveOf))
  const asking = applied.filter(asksAnew).map(({ before: { waybillId } }) => waybillId)
  if (asking.length > 0) {
    // Few ask, so that only their whole facts are read; what is told is what was just written.
    const facts = await waybillsById(context, [...new Set(asking)])
    await context.announce([...facts.values()].map((waybill) => describedEvent('waybillRescheduled', waybill, context.now)))
  }
  return outcomes
}

/** Undefined where it was not read, and so is as it was. */
const destinationOf = (waybill: MovingWaybill & Partial<StoredWaybill>) => waybill.destination

const slotWord = ({ slot }: MovingWaybill): string => (slot === null ? 'any' : `${slot.date} ${slot.code}`)

/** History of one command: the states it walked, the slot where somebody chose another, and what it made of the contents. */
export function changesOf({ before, decision: { steps, after, reason }, cause, commandId, actor }: Applied): WaybillChange[] {
  const of = { waybillId: before.waybillId, cause: reason === null ? cause : `${cause}: ${reason}`, commandId, actor }
  const changes: WaybillChange[] = steps.length === 0 ? [] : [{ ...of, ...walkOf(before.state, steps) }]
  // The slot that routing found comes with the route.
  if (after.routeId === null && slotWord(before) !== slotWord(after))
    changes.push({ ...of, level: 'slot', values: [slotWord(before), slotWord(after)] })
  if (destinationOf(before) !== destinationOf(after)) changes.push({ ...of, level: 'destination', values: ['', 'changed'] })
  if (before.readyAt?.getTime() !== after.readyAt?.getTime())
    changes.push({ ...of, level: 'ready', values: [readyWord(before), readyWord(after)] })
  if (before.holds.length !== after.holds.length)
    changes.push({ ...of, level: 'hold', values: [before.holds.join(', '), after.holds.join(', ') || 'free'] })
  if (before.items !== after.items) changes.push({ ...of, level: 'items', values: [itemsWord(before.items), itemsWord(after.items)] })
  return changes
}

const readyWord = ({ readyAt }: MovingWaybill): string => readyAt?.toISOString() ?? ''

/** Rows with their quantities, as the history tells of them. */
export const itemsWord = (items: readonly WaybillItem[]): string => items.map(({ itemNo, quantity }) => `${itemNo}x${quantity}`).join(' ')

/** A move as the others are to know it, with its effect on the quota; and when its goods will be ready, where that is another time. */
function moveOf({ before, decision: { steps, after, reason } }: Applied): NewEvent[] {
  const told = readyEvents(before, after)
  if (steps.length === 0) return told
  const effect = quotaEffectOf(before, steps)
  const moved: WaybillMoved = {
    waybillId: after.waybillId,
    orderId: after.orderId,
    sectionNo: after.sectionNo,
    itemNos: after.items.map((item) => item.itemNo),
    purpose: after.purpose,
    claimId: after.claimId,
    from: before.state,
    to: after.state,
    via: steps.slice(0, -1),
    attempt: after.attempt,
    quota: effect === null ? null : { effect, ask: before.ask },
    occurredAt: after.movedAt.toISOString(),
    reason,
  }
  return [movedEvent(moved), ...told]
}

function readyEvents(before: MovingWaybill, { waybillId, orderId, ask, readyAt }: MovingWaybill): NewEvent[] {
  if (before.readyAt?.getTime() === readyAt?.getTime()) return []
  const payload: ReadyPromised = { waybillId, orderId, ask, readyAt: readyAt?.toISOString() ?? null }
  return [{ key: String(waybillId), type: fulfilmentEventTypes.readyPromised, payload }]
}

/** It asks for a route with a new number. A held one asks when it is released. */
const asksAnew = ({ before, decision: { after } }: Applied): boolean => after.ask !== before.ask && after.holds.length === 0

/** What the others are to know of a waybill whose facts are at hand: its move, and the question for a route where it asks anew. */
export const eventsOf = (applied: Applied<StoredWaybill>, now: Date): NewEvent[] =>
  asksAnew(applied) ? [...moveOf(applied), describedEvent('waybillRescheduled', applied.decision.after, now)] : moveOf(applied)
