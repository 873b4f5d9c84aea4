import { invariant } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import { type Applied, changesOf, type Decision, eventsOf } from './change-waybills.ts'
import { bear, carrierOf, Parts } from './create-waybills.ts'
import { contentsEvent, fulfilmentEventTypes, type RowsSplit } from './events.ts'
import { holdWaybills } from './hold-waybills.ts'
import { isAtHome, isOver } from './lifecycle.ts'
import { planAgain } from './move-waybills.ts'
import { type Destination, piecesOf, type SlotChoice, type WaybillItem, withItems } from './waybill.ts'
import { lockWaybillsOfOrders, type NewWaybill, type StoredWaybill, waybillsBeforeMore } from './waybill-store.ts'
import { updateWaybills } from './waybill-writer.ts'

/** A section of an order as it is after an edit. */
export interface EditedSection {
  readonly sectionNo: number
  readonly destination: Destination
  readonly slot: SlotChoice | null
  readonly merchantId: string | null
  readonly itemNos: readonly number[]
}

export interface FollowEdit {
  readonly orderId: number
  readonly fields: readonly ('destination' | 'slot' | 'sections' | 'items')[]
  /** Rows that were split off others. */
  readonly splits: readonly { readonly itemNo: number; readonly fromItemNo: number; readonly quantity: number }[]
  /** Sections that the edit touched. */
  readonly sections: readonly EditedSection[]
  readonly actor: string
  readonly commandId: string
}

export interface Followed {
  /** Waybills that carry or go to something else now. */
  readonly changed: readonly number[]
  readonly born: readonly number[]
  /** Waybills that were in a truck already: each has a hold `order_changed`, and somebody has to look at it. */
  readonly tooLate: readonly number[]
}

/**
 * Waybills follow an order that was edited, until they are loaded. Split rows are told apart wherever they are, since the goods stay the
 * same; a waybill that is to go elsewhere, at another time or with more goods gives its place back and asks anew; goods of another
 * section go over to the waybill of that section, or get one. An order's edits are followed one after the other: a call has one of each order.
 */
export async function followEdits(context: WriteContext, commands: readonly FollowEdit[]): Promise<Followed> {
  const orderIds = commands.map(({ orderId }) => orderId)
  invariant(new Set(orderIds).size === orderIds.length, 'two edits of one order in one call')
  if (commands.length === 0) return { changed: [], born: [], tooLate: [] }
  const parts = new Parts(await waybillsBeforeMore(context, orderIds))
  const locked = await lockWaybillsOfOrders(context, orderIds)
  const fittings = commands.map(
    (command) =>
      new Fitting(
        command,
        locked.filter(({ orderId }) => orderId === command.orderId),
        context.now,
      ),
  )
  for (const fitting of fittings) fitting.follow()
  const applied = fittings.flatMap((fitting) => fitting.applied)
  const before = new Map(locked.map((waybill) => [waybill.waybillId, waybill]))
  const after = new Map(applied.map(({ decision }) => [decision.after.waybillId, decision.after]))
  await updateWaybills(
    context,
    [...after].map(([waybillId, next]) => ({ before: before.get(waybillId) as StoredWaybill, after: next })),
    applied.flatMap(changesOf),
  )
  await context.announce(applied.flatMap((each) => eventsOf(each, context.now)))
  await context.announce(fittings.flatMap(({ told }) => told))
  await context.announce(
    [...after.values()].flatMap((next) => (before.get(next.waybillId)?.items === next.items ? [] : contentsEvent(next))),
  )
  const born = await bear(
    context,
    fittings.flatMap((fitting) => fitting.newWaybills(parts)),
  )
  const tooLate = fittings.flatMap(({ command: { actor, commandId }, tooLate: ids }) =>
    [...ids].map((waybillId) => ({ waybillId, actor, commandId })),
  )
  await holdWaybills(
    context,
    tooLate.map((late) => ({ ...late, kind: 'order_changed', owner: late.actor, reason: 'its order was edited' })),
  )
  return { changed: [...after.keys()], born: [...born.values()], tooLate: tooLate.map(({ waybillId }) => waybillId) }
}

const cause = 'orders.edited'

/** One edit of one order, on its waybills as the steps before have left them. */
class Fitting {
  readonly applied: Applied<StoredWaybill>[] = []
  readonly tooLate = new Set<number>()
  readonly told: NewEvent[] = []
  readonly command: FollowEdit
  readonly #now: Date
  readonly #waybills: Map<number, StoredWaybill>
  readonly #born = new Map<string, { from: StoredWaybill; section: EditedSection; items: WaybillItem[] }>()

  constructor(command: FollowEdit, waybills: readonly StoredWaybill[], now: Date) {
    this.command = command
    this.#now = now
    this.#waybills = new Map(waybills.map((waybill) => [waybill.waybillId, waybill]))
  }

  follow(): void {
    for (const split of this.command.splits) this.#split(split)
    for (const section of this.command.sections) {
      for (const waybillId of this.#waybills.keys()) this.#fit(waybillId, section)
    }
  }

  newWaybills(parts: Parts): NewWaybill[] {
    const { orderId, actor, commandId } = this.command
    return [...this.#born.values()].map(({ from, section, items }) => {
      const { orderNumber, skuType, purpose, originId } = from
      const { sectionNo, destination, slot, merchantId } = section
      const of = { orderId, orderNumber, sectionNo, skuType, merchant: merchantId ?? '', purpose, destination, slot, originId }
      return { ...of, items, part: parts.next(orderId), claimId: null, madeBy: null, reference: null, cause, actor, commandId }
    })
  }

  /** The pieces stay where they are and get the number of their new row. */
  #split({ itemNo, fromItemNo, quantity }: FollowEdit['splits'][number]): void {
    const waybills = [...this.#waybills.values()]
    const carrier = carrierOf(waybills, fromItemNo)
    const item = carrier?.items.find((each) => each.itemNo === fromItemNo)
    if (carrier === undefined || item === undefined || item.quantity <= quantity || carrierOf(waybills, itemNo) !== undefined) return
    const taken = { ...piecesOf(item, quantity), itemNo }
    const rest = {
      ...item,
      quantity: item.quantity - quantity,
      weightGrams: item.weightGrams - taken.weightGrams,
      volumeMl: item.volumeMl - taken.volumeMl,
    }
    const items = [...carrier.items.map((each) => (each === item ? rest : each)), taken]
    this.#apply(carrier, this.#contents(carrier, items))
    const { waybillId, orderId, state } = carrier
    const payload: RowsSplit = { orderId, waybillId, state, itemNos: [itemNo] }
    this.told.push({ key: String(waybillId), type: fulfilmentEventTypes.rowsSplit, payload })
  }

  #fit(waybillId: number, section: EditedSection): void {
    const waybill = this.#waybills.get(waybillId) as StoredWaybill
    if (waybill.purpose === 'return' || isOver(waybill)) return
    const theirs = waybill.items.filter(({ itemNo }) => section.itemNos.includes(itemNo))
    if (theirs.length === 0) return
    if (waybill.sectionNo !== section.sectionNo) return this.#handOver(waybill, section, theirs)
    const destination = sameDestination(waybill.destination, section.destination) ? waybill.destination : section.destination
    const moved = destination !== waybill.destination
    const slot = this.command.fields.includes('slot') || (moved && section.slot === null) ? section.slot : waybill.slot
    if (!moved && sameSlot(slot, waybill.slot)) return
    // A slot that nobody chose was found by routing.
    if (!moved && slot === null && waybill.routeId !== null) return
    this.#planAgain(waybill, slot, { destination })
  }

  #handOver(waybill: StoredWaybill, section: EditedSection, items: readonly WaybillItem[]): void {
    if (!isAtHome(waybill)) return void this.tooLate.add(waybill.waybillId)
    const left = waybill.items.filter((item) => !items.includes(item))
    const into = [...this.#waybills.values()].find(
      (each) =>
        each.sectionNo === section.sectionNo && each.skuType === waybill.skuType && each.purpose === waybill.purpose && isAtHome(each),
    )
    // Its goods stay in its row: it is a record of what was called off.
    if (left.length === 0) this.#apply(waybill, this.#calledOff(waybill, `its goods went to section ${section.sectionNo}`))
    else this.#apply(waybill, this.#contents(waybill, left))
    if (into !== undefined) return this.#planAgain(into, into.slot, { items: [...into.items, ...items] })
    const key = `${section.sectionNo} ${waybill.skuType} ${waybill.purpose}`
    const born = this.#born.get(key)
    if (born === undefined) this.#born.set(key, { from: waybill, section, items: [...items] })
    else born.items.push(...items)
  }

  #planAgain(
    waybill: StoredWaybill,
    slot: SlotChoice | null,
    { destination = waybill.destination, items = waybill.items }: Partial<Pick<StoredWaybill, 'destination' | 'items'>>,
  ): void {
    if (!isAtHome(waybill)) return void this.tooLate.add(waybill.waybillId)
    const planned = planAgain(waybill, 'created', { slot, reason: null, now: this.#now })
    this.#apply(waybill, { ...planned, after: withItems({ ...planned.after, destination }, items) })
  }

  #calledOff(waybill: StoredWaybill, reason: string): Decision<StoredWaybill> {
    return { steps: ['cancelled'], reason, after: { ...waybill, state: 'cancelled', movedAt: this.#now, version: waybill.version + 1 } }
  }

  #contents(waybill: StoredWaybill, items: readonly WaybillItem[]): Decision<StoredWaybill> {
    return { steps: [], reason: null, after: { ...withItems(waybill, items), version: waybill.version + 1 } }
  }

  #apply(before: StoredWaybill, decision: Decision<StoredWaybill>): void {
    const { actor, commandId } = this.command
    this.#waybills.set(before.waybillId, decision.after)
    this.applied.push({ before, decision, cause, commandId, actor })
  }
}

const sameSlot = (a: SlotChoice | null, b: SlotChoice | null): boolean => a?.date === b?.date && a?.code === b?.code

const sameDestination = (a: Destination, b: Destination): boolean =>
  a.name === b.name &&
  a.line1 === b.line1 &&
  a.city === b.city &&
  a.postcode === b.postcode &&
  a.country === b.country &&
  a.lat === b.lat &&
  a.lng === b.lng
