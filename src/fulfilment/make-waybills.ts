import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { bear, Carried, Parts } from './create-waybills.ts'
import type { WaybillPlan } from './waybill.ts'
import { type NewWaybill, type StoredWaybill, waybillsBeforeMore, waybillsByReference } from './waybill-store.ts'

/** A waybill that no payment released: made by a person, or by a system that has orders of its own. */
export interface MakeWaybill extends Omit<WaybillPlan, 'replaces'> {
  readonly orderId: number
  readonly orderNumber: string
  /** With `return` and `replacement`: the waybill that it brings back or stands in for. */
  readonly originId: number | null
  /** The caller, and the caller's own name for it, by which repeating it makes nothing. */
  readonly madeBy: string
  readonly reference: string
  readonly actor: string
  readonly commandId: string
}

export interface MadeWaybill {
  readonly waybillId: number
  readonly orderId: number
  readonly reference: string
  /** False when it was there already. */
  readonly created: boolean
}

/** Makes 1 to 1,000 waybills, each by itself. Errors: named_twice, no_origin, already_carried, reference_taken. */
export async function makeWaybills(context: WriteContext, commands: readonly MakeWaybill[]): Promise<Outcome<MadeWaybill>[]> {
  if (commands.length === 0) return []
  const known = await waybillsBeforeMore(
    context,
    commands.map(({ orderId }) => orderId),
  )
  const named = new Map<string, { orderId: number; waybillId?: number; at?: number }>()
  for (const { madeBy, reference, orderId, waybillId } of await waybillsByReference(context, commands))
    named.set(nameOf({ madeBy: madeBy ?? '', reference: reference ?? '' }), { orderId, waybillId })
  const carried = new Carried(known)
  const parts = new Parts(known)
  const asked: NewWaybill[] = []

  const placed = commands.map((command): Outcome<{ waybillId?: number; at?: number }> => {
    const before = named.get(nameOf(command))
    if (before !== undefined) return before.orderId === command.orderId ? accepted(before) : taken(command)
    const failure = refusalOf(command, { carried, waybills: known.get(command.orderId) ?? [] })
    if (failure !== undefined) return failure
    if (command.purpose !== 'return') for (const { itemNo } of command.items) carried.take(command.orderId, itemNo)
    const at = asked.push({ ...command, part: parts.next(command.orderId), claimId: null, cause: 'waybills.create' }) - 1
    named.set(nameOf(command), { orderId: command.orderId, at })
    return accepted({ at })
  })

  const ids = await bear(context, asked)
  const told = new Set<number>()
  return placed.map((place, index): Outcome<MadeWaybill> => {
    if (!place.ok) return place
    const command = commands[index] as MakeWaybill
    const { at, waybillId = at === undefined ? undefined : ids.get(at) } = place.value
    // For another order somebody took the name between our look and our write.
    if (waybillId === undefined) return taken(command)
    const created = at !== undefined && !told.has(at)
    if (at !== undefined) told.add(at)
    return accepted({ waybillId, orderId: command.orderId, reference: command.reference, created })
  })
}

const nameOf = ({ madeBy, reference }: { madeBy: string; reference: string }): string => JSON.stringify([madeBy, reference])

const taken = ({ reference }: MakeWaybill): Outcome<never> =>
  refused('fulfilment.reference_taken', `you have named a waybill of another order "${reference}"`, '/reference')

function refusalOf(
  { orderId, purpose, originId, items }: MakeWaybill,
  { carried, waybills }: { carried: Carried; waybills: readonly StoredWaybill[] },
): Outcome<never> | undefined {
  const seen = new Set<number>()
  for (const [at, { itemNo }] of items.entries()) {
    if (seen.has(itemNo)) return refused('fulfilment.named_twice', `item ${itemNo} stands there twice`, `/items/${at}/itemNo`)
    seen.add(itemNo)
  }
  if ((purpose === 'delivery') !== (originId === null)) {
    const sentence = purpose === 'delivery' ? 'a delivery has no origin' : `a ${purpose} names the waybill that it goes back to`
    return refused('fulfilment.no_origin', sentence, '/originId')
  }
  if (originId !== null && !waybills.some(({ waybillId }) => waybillId === originId))
    return refused('fulfilment.no_origin', `order ${orderId} has no waybill ${originId}`, '/originId')
  if (purpose === 'return') return undefined
  for (const [at, { itemNo }] of items.entries()) {
    if (carried.has(orderId, itemNo)) {
      const sentence = `item ${itemNo} of order ${orderId} is on a waybill already; cancel that one first`
      return refused('fulfilment.already_carried', sentence, `/items/${at}/itemNo`, { itemNo })
    }
  }
  return undefined
}
