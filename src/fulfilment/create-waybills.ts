import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { describedEvent } from './events.ts'
import { loadOf, type PaidSection, planWaybills, type WaybillPlan } from './waybill.ts'
import { insertWaybills, type NewWaybill, type StoredWaybill, waybillsBeforeMore } from './waybill-store.ts'

export interface CreateWaybills {
  readonly orderId: number
  readonly number: string
  /** The payment part that released these items, 0 unless told: a section that is paid for again gets waybills of its own. */
  readonly part?: number
  readonly sections: readonly PaidSection[]
  readonly actor: string
  readonly commandId: string
}

export interface CreatedWaybills {
  readonly orderId: number
  /** All waybills that bring goods of the order to their door, those of an earlier run of the same command included. */
  readonly waybillIds: readonly number[]
}

/**
 * Makes the delivery waybills of paid orders and announces each. An item that a waybill carries already gets no second one, so
 * repeating it makes and announces nothing.
 */
export async function createWaybills(context: WriteContext, commands: readonly CreateWaybills[]): Promise<Outcome<CreatedWaybills>[]> {
  if (commands.length === 0) return []
  const known = await waybillsBeforeMore(
    context,
    commands.map((command) => command.orderId),
  )
  const carried = new Carried(known)
  const parts = new Parts(known)
  const asked: NewWaybill[] = []
  for (const { orderId, number: orderNumber, part = 0, sections, actor, commandId } of commands) {
    for (const { replaces, ...plan } of planWaybills(sections)) {
      const items = plan.items.filter(({ itemNo }) => carried.take(orderId, itemNo))
      if (items.length === 0) continue
      const originId = replaces === undefined ? null : (carrierOf(known.get(orderId) ?? [], replaces)?.waybillId ?? null)
      // What was on back order comes by the part that paid for it, and the first delivery of that part has its place.
      const isTaken = known.get(orderId)?.some((waybill) => waybill.part === part && isLike(waybill, plan))
      const born = {
        orderId,
        orderNumber,
        part: isTaken ? parts.next(orderId) : part,
        originId,
        claimId: null,
        madeBy: null,
        reference: null,
        cause: 'fulfilment.create',
      }
      asked.push({ ...plan, items, ...born, actor, commandId })
    }
  }
  const ids = await bear(context, asked)
  const byOrder = new Map([...known].map(([orderId, waybills]) => [orderId, waybills.filter(isForward).map(({ waybillId }) => waybillId)]))
  for (const [at, id] of ids) byOrder.get((asked[at] as NewWaybill).orderId)?.push(id)
  return commands.map(({ orderId }) => accepted({ orderId, waybillIds: byOrder.get(orderId) ?? [] }))
}

/** Writes waybills and announces those that are new. Returns their ids by place. */
export async function bear(context: WriteContext, asked: readonly NewWaybill[]): Promise<Map<number, number>> {
  const ids = await insertWaybills(context, asked)
  await context.announce(
    [...ids].map(([at, waybillId]) => {
      const born = asked[at] as NewWaybill
      return describedEvent('waybillsCreated', { ...born, ...loadOf(born.items), waybillId, ask: 1, readyAt: null }, context.now)
    }),
  )
  return ids
}

const isLike = (waybill: StoredWaybill, { sectionNo, skuType, merchant, purpose }: Omit<WaybillPlan, 'replaces'>): boolean =>
  waybill.sectionNo === sectionNo && waybill.skuType === skuType && waybill.merchant === merchant && waybill.purpose === purpose

const isForward = ({ purpose }: StoredWaybill): boolean => purpose !== 'return'

/** The waybill that carries a row to its door, or carried it there: the last one where an earlier one was called off. */
export const carrierOf = (waybills: readonly StoredWaybill[], itemNo: number): StoredWaybill | undefined => {
  const carriers = waybills.filter((waybill) => isForward(waybill) && waybill.items.some((item) => item.itemNo === itemNo))
  return carriers.findLast(({ state }) => state !== 'cancelled') ?? carriers.at(-1)
}

/** Which items are on a waybill that was not called off: each is carried once. */
export class Carried {
  readonly #items = new Set<string>()

  constructor(waybills: ReadonlyMap<number, readonly StoredWaybill[]>) {
    for (const waybill of [...waybills.values()].flat()) {
      if (!isForward(waybill) || waybill.state === 'cancelled') continue
      for (const { itemNo } of waybill.items) this.take(waybill.orderId, itemNo)
    }
  }

  has(orderId: number, itemNo: number): boolean {
    return this.#items.has(`${orderId} ${itemNo}`)
  }

  /** False where another waybill has it. */
  take(orderId: number, itemNo: number): boolean {
    if (this.has(orderId, itemNo)) return false
    this.#items.add(`${orderId} ${itemNo}`)
    return true
  }
}

/** Parts of waybills that no payment released: below zero, each once in its order. Needs the lock of the orders. */
export class Parts {
  readonly #lowest: Map<number, number>

  constructor(waybills: ReadonlyMap<number, readonly StoredWaybill[]>) {
    this.#lowest = new Map([...waybills].map(([orderId, of]) => [orderId, Math.min(0, ...of.map(({ part }) => part))]))
  }

  next(orderId: number): number {
    const part = (this.#lowest.get(orderId) ?? 0) - 1
    this.#lowest.set(orderId, part)
    return part
  }
}
