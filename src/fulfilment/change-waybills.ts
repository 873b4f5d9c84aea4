import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { describedEvent, movedEvent, type WaybillMoved } from './events.ts'
import { quotaEffectOf, type WaybillState } from './lifecycle.ts'
import type { WaybillItem } from './waybill.ts'
import { lockWaybills, type StoredWaybill } from './waybill-store.ts'
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
export interface Decision {
  readonly steps: readonly WaybillState[]
  readonly after: StoredWaybill
  readonly reason: string | null
}

export type Decide<Command> = (waybill: StoredWaybill, command: Command, now: Date) => Outcome<Decision | null>

export interface WaybillCommand {
  readonly waybillId: number
  readonly actor: string
  readonly commandId: string
}

/** What a command made of a waybill, to be written and told. */
export interface Applied {
  readonly before: StoredWaybill
  readonly decision: Decision
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

export const unknownWaybill = (waybillId: number): Outcome<never> =>
  refused('fulfilment.unknown_waybill', `there is no waybill ${waybillId}`, '/waybillId')

export const movedOf = ({ waybillId, orderId, state, attempt }: StoredWaybill, changed: boolean): MovedWaybill => ({
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
  const before = await lockWaybills(
    context,
    commands.map((command) => command.waybillId),
  )
  const after = new Map<number, StoredWaybill>()
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
  const updates = [...after].map(([waybillId, next]) => ({ before: before.get(waybillId) as StoredWaybill, after: next }))
  await updateWaybills(context, updates, applied.flatMap(changesOf))
  await context.announce(applied.flatMap((each) => eventsOf(each, context.now)))
  return outcomes
}

const slotWord = ({ slot }: StoredWaybill): string => (slot === null ? 'any' : `${slot.date} ${slot.code}`)

/** History of one command: the states it walked, the slot where somebody chose another, and what it made of the contents. */
export function changesOf({ before, decision: { steps, after, reason }, cause, commandId, actor }: Applied): WaybillChange[] {
  const of = { waybillId: before.waybillId, cause: reason === null ? cause : `${cause}: ${reason}`, commandId, actor }
  const changes: WaybillChange[] = steps.length === 0 ? [] : [{ ...of, ...walkOf(before.state, steps) }]
  // The slot that routing found comes with the route.
  if (after.routeId === null && slotWord(before) !== slotWord(after))
    changes.push({ ...of, level: 'slot', values: [slotWord(before), slotWord(after)] })
  if (before.destination !== after.destination) changes.push({ ...of, level: 'destination', values: ['', 'changed'] })
  if (before.items !== after.items) changes.push({ ...of, level: 'items', values: [itemsWord(before.items), itemsWord(after.items)] })
  return changes
}

/** Rows with their quantities, as the history tells of them. */
export const itemsWord = (items: readonly WaybillItem[]): string => items.map(({ itemNo, quantity }) => `${itemNo}x${quantity}`).join(' ')

/** What the others are to know: a move with its effect on the quota, and the question for a route where it asks anew and nobody holds it. */
export function eventsOf({ before, decision: { steps, after, reason } }: Applied, now: Date): NewEvent[] {
  const events: NewEvent[] = []
  if (steps.length > 0) {
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
    events.push(movedEvent(moved))
  }
  if (after.ask !== before.ask && after.holds.length === 0) events.push(describedEvent('waybillRescheduled', after, now))
  return events
}
