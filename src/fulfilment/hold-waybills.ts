import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type Applied, changesOf, eventsOf, unknownWaybill } from './change-waybills.ts'
import { describedEvent } from './events.ts'
import { expireDueHolds, type Hold, openHolds, waybillsWithDueHolds, writeHolds } from './hold-store.ts'
import type { HoldKind } from './holds.ts'
import { isOver, planAgainTargetOf } from './lifecycle.ts'
import { planAgain } from './move-waybills.ts'
import { lockWaybills, type StoredWaybill } from './waybill-store.ts'
import { deferChanges, updateWaybills, type WaybillChange } from './waybill-writer.ts'

export interface HoldWaybill {
  readonly waybillId: number
  readonly kind: HoldKind
  readonly owner: string
  readonly reason: string
  /** Until when it keeps its slot; absent or null: as long as it is held. */
  readonly expiresAt?: Date | null
  /** Request for a route that it is about: of an earlier one it has no effect. Absent: the one that stands. */
  readonly ask?: number
  readonly actor: string
  readonly commandId: string
}

export interface ReleaseWaybill {
  readonly waybillId: number
  readonly reason: string
  /** Only holds of this kind and owner; absent: all. */
  readonly kind?: HoldKind
  readonly owner?: string
  /** As of a hold. */
  readonly ask?: number
  readonly actor: string
  readonly commandId: string
}

export interface HeldWaybill {
  readonly waybillId: number
  /** Kinds of holds that are open now. */
  readonly holds: HoldKind[]
  readonly changed: boolean
}

interface HoldCommand {
  readonly waybillId: number
  readonly reason: string
  readonly ask?: number
  readonly actor: string
  readonly commandId: string
}

const wordOf = (holds: readonly Hold[]): string => holds.map(({ kind, owner }) => `${kind} of ${owner}`).join(', ') || 'free'
const kindsOf = (holds: readonly Hold[]): HoldKind[] => [...new Set(holds.map(({ kind }) => kind))].toSorted()

async function changeHolds<Command extends HoldCommand>(
  context: WriteContext,
  commands: readonly Command[],
  {
    cause,
    decide,
  }: {
    cause: string
    /** The open holds as they shall be; the same array where nothing changes. */
    decide: (waybill: StoredWaybill, open: readonly Hold[], command: Command) => Outcome<readonly Hold[]>
  },
): Promise<Outcome<HeldWaybill>[]> {
  if (commands.length === 0) return []
  const ids = [...new Set(commands.map(({ waybillId }) => waybillId))]
  const waybills = await lockWaybills(context, ids)
  const before = await openHolds(context, ids)
  const now = new Map<number, readonly Hold[]>(before)
  const changes: WaybillChange[] = []
  const outcomes = commands.map((command): Outcome<HeldWaybill> => {
    const { waybillId, reason, actor, commandId } = command
    const waybill = waybills.get(waybillId)
    if (waybill === undefined) return unknownWaybill(waybillId)
    const open = now.get(waybillId) ?? []
    const isOfThisAsk = (command.ask ?? waybill.ask) === waybill.ask
    const decided = isOfThisAsk ? decide(waybill, open, command) : accepted(open)
    if (!decided.ok) return decided
    const holds = decided.value
    if (holds === open) return accepted({ waybillId, holds: kindsOf(open), changed: false })
    now.set(waybillId, holds)
    changes.push({ waybillId, level: 'hold', values: [wordOf(open), wordOf(holds)], cause: `${cause}: ${reason}`, commandId, actor })
    return accepted({ waybillId, holds: kindsOf(holds), changed: true })
  })
  await writeDifference(context, { before, now, releasedBy: new Map(changes.map(({ waybillId, actor }) => [waybillId, actor])) })
  deferChanges(context, changes)
  await context.announce(askedAgain(context, { waybills, before, now }))
  return outcomes
}

const keyOf = ({ kind, owner }: Hold): string => `${kind} ${owner}`

/** Writes what is other at the end than at the beginning, each hold once: a hold put on and released in one batch was never there. */
async function writeDifference(
  context: WriteContext,
  {
    before,
    now,
    releasedBy,
  }: { before: ReadonlyMap<number, readonly Hold[]>; now: ReadonlyMap<number, readonly Hold[]>; releasedBy: ReadonlyMap<number, string> },
): Promise<void> {
  const held: Hold[] = []
  const released: (Hold & { actor: string })[] = []
  const kinds: [number, HoldKind[]][] = []
  for (const [waybillId, is] of now) {
    const was = before.get(waybillId) ?? []
    if (is === was) continue
    const known = new Set(was)
    const keys = new Set(is.map(keyOf))
    held.push(...is.filter((hold) => !known.has(hold)))
    released.push(...was.filter((hold) => !keys.has(keyOf(hold))).map((hold) => ({ ...hold, actor: releasedBy.get(waybillId) ?? '' })))
    kinds.push([waybillId, kindsOf(is)])
  }
  await writeHolds(context, held, released, kinds)
}

/** A waybill that is free again and has no route asks for one. Routing knows by its number whether it has asked before. */
function askedAgain(
  context: WriteContext,
  {
    waybills,
    before,
    now,
  }: {
    waybills: ReadonlyMap<number, StoredWaybill>
    before: ReadonlyMap<number, readonly Hold[]>
    now: ReadonlyMap<number, readonly Hold[]>
  },
): NewEvent[] {
  return [...now].flatMap(([waybillId, holds]) => {
    const waybill = waybills.get(waybillId)
    const freed = holds.length === 0 && (before.get(waybillId) ?? []).length > 0
    if (waybill === undefined || !freed || (waybill.state !== 'created' && waybill.state !== 'rescheduled')) return []
    return [describedEvent('waybillRescheduled', waybill, context.now)]
  })
}

/** Puts holds on waybills, one for each kind and owner; the same again renews reason and expiry. Errors: unknown_waybill, is_over, expires_in_the_past. */
export const holdWaybills = (context: WriteContext, commands: readonly HoldWaybill[]): Promise<Outcome<HeldWaybill>[]> =>
  changeHolds(context, commands, {
    cause: 'waybills.hold',
    decide(waybill, open, { kind, owner, reason, expiresAt = null }) {
      const { waybillId, state } = waybill
      if (isOver(waybill))
        return refused('fulfilment.is_over', `waybill ${waybillId} is ${state}: nothing can be held any more`, '/waybillId', { state })
      if (expiresAt !== null && expiresAt <= context.now)
        return refused('fulfilment.expires_in_the_past', `${expiresAt.toISOString()} is over already`, '/expiresAt')
      const same = open.find((hold) => hold.kind === kind && hold.owner === owner)
      if (same !== undefined && same.reason === reason && same.expiresAt?.getTime() === expiresAt?.getTime()) return accepted(open)
      const put: Hold = { waybillId, kind, owner, reason, expiresAt, heldAt: context.now, expiredAt: null }
      return accepted([...open.filter((hold) => hold !== same), put])
    },
  })

/** Releases holds, all or those that are named. What is not held succeeds without effect. */
export const releaseWaybills = (context: WriteContext, commands: readonly ReleaseWaybill[]): Promise<Outcome<HeldWaybill>[]> =>
  changeHolds(context, commands, {
    cause: 'waybills.release_hold',
    decide(_waybill, open, { kind, owner }) {
      const left = open.filter((hold) => (kind ?? hold.kind) !== hold.kind || (owner ?? hold.owner) !== hold.owner)
      return accepted(left.length === open.length ? open : left)
    },
  })

/**
 * Holds whose time is over: the waybill stays held, and its slot goes to others. It asks for another one when it is released. A page at
 * a time; returns how many waybills it looked at.
 */
export async function expireHolds(context: WriteContext, most = 500): Promise<number> {
  const found = await waybillsWithDueHolds(context, most)
  if (found.length === 0) return 0
  const waybills = await lockWaybills(context, found)
  // Marked under the lock: of two rounds at once, the second finds nothing to mark.
  const due = await expireDueHolds(context, found)
  const by = { cause: 'fulfilment.expire_hold', commandId: `expire/${context.now.toISOString()}`, actor: 'system:expire_holds' }
  const applied = [...waybills.values()].flatMap((before): Applied<StoredWaybill>[] => {
    const to = due.has(before.waybillId) ? planAgainTargetOf(before) : undefined
    // After a failed attempt it has no slot that could go to others.
    if (to === undefined || before.state === 'attempt_failed') return []
    return [
      {
        before,
        decision: planAgain(before, to, { slot: null, reason: 'the hold has lasted longer than its slot', now: context.now }),
        ...by,
      },
    ]
  })
  await updateWaybills(
    context,
    applied.map(({ before, decision }) => ({ before, after: decision.after })),
    applied.flatMap(changesOf),
  )
  await context.announce(applied.flatMap((each) => eventsOf(each, context.now)))
  return found.length
}
