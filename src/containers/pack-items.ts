import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import { changeStates, lockContainers, lockNames, notUsable, type StateChange, unknownContainer } from './container-store.ts'
import { type Content, findPacked, setContents } from './containment-store.ts'

/** What packing must know of a waybill. */
export interface PackableWaybill {
  readonly waybillId: number
  readonly state: string
  /** Delivered, cancelled and the like: nothing of it is packed any more. */
  readonly ended: boolean
  readonly items: readonly { readonly itemNo: number; readonly quantity: number }[]
}

/** How containers ask about waybills, which belong to another context. */
export type FindWaybills = (
  scope: Pick<ReadContext, 'traffic' | 'rehearsalId'>,
  waybillIds: readonly number[],
) => Promise<ReadonlyMap<number, PackableWaybill>>

export interface PackItems {
  readonly code: string
  readonly waybillId: number
  /** How many pieces of each line this container holds from now on; 0 takes them out. Absent: all that is in no other container. */
  readonly items?: readonly { readonly itemNo: number; readonly quantity: number }[]
  readonly actor: string
  readonly commandId: string
}

export interface PackedItems {
  readonly containerId: number
  readonly waybillId: number
  /** What the container holds of this waybill now. */
  readonly items: readonly { readonly itemNo: number; readonly quantity: number }[]
  readonly changed: boolean
}

type Line = Omit<Content, 'quantity'>

/** What is packed of some waybills, as a batch leaves it. */
class Packing {
  readonly #before: readonly Content[]
  /** By line of a waybill: how many pieces are in which container. */
  readonly #now = new Map<string, Map<number, number>>()

  constructor(packed: readonly Content[]) {
    this.#before = packed
    for (const line of packed) this.set(line)
  }

  #of({ waybillId, itemNo }: Line): Map<number, number> {
    const key = `${waybillId} ${itemNo}`
    const held = this.#now.get(key) ?? new Map<number, number>()
    this.#now.set(key, held)
    return held
  }

  set(line: Content): void {
    this.#of(line).set(line.containerId, line.quantity)
  }

  inContainer(line: Line): number {
    return this.#of(line).get(line.containerId) ?? 0
  }

  elsewhere(line: Line): number {
    let sum = 0
    for (const [containerId, quantity] of this.#of(line)) if (containerId !== line.containerId) sum += quantity
    return sum
  }

  /** Lines that hold another quantity than before. */
  changes(): Content[] {
    const before = new Packing(this.#before)
    return [...this.#now].flatMap(([key, held]) => {
      const [waybillId = 0, itemNo = 0] = key.split(' ').map(Number)
      return [...held].flatMap(([containerId, quantity]) => {
        const line = { containerId, waybillId, itemNo, quantity }
        return before.inContainer(line) === quantity ? [] : [line]
      })
    })
  }
}

/**
 * Says what containers hold of waybills. A command names what is true after it, so that a repeated one changes nothing. The waybill's
 * lock keeps two callers from packing the same pieces into two containers. At most seven statements, one of them in fulfilment.
 */
export async function packItems(
  context: WriteContext,
  commands: readonly PackItems[],
  findWaybills: FindWaybills,
): Promise<Outcome<PackedItems>[]> {
  const waybillIds = [...new Set(commands.map(({ waybillId }) => waybillId))]
  const waybills = await findWaybills(context, waybillIds)
  await lockNames(
    context,
    waybillIds.map((waybillId) => `waybill ${waybillId}`),
  )
  const scanned = await lockContainers(
    context,
    commands.map(({ code }) => code),
  )
  const packing = new Packing(await findPacked(context, waybillIds))
  const filled = new Set<number>()
  const changes: StateChange[] = []

  const outcomes = commands.map((command): Outcome<PackedItems> => {
    const { code, waybillId, actor, commandId } = command
    const container = scanned.get(code)
    if (container === undefined) return unknownContainer(code)
    const { containerId, state } = container
    if (state === 'lost' || state === 'retired') return notUsable(container, '/code')
    const waybill = waybills.get(waybillId)
    if (waybill === undefined) return refused('containers.unknown_waybill', `there is no waybill ${waybillId}`, '/waybillId')
    if (waybill.ended)
      return refused('containers.waybill_ended', `waybill ${waybillId} is ${waybill.state}; nothing of it is packed any more`, '/waybillId')
    const wanted = decide(command, { containerId, waybill, packing })
    if (!wanted.ok) return wanted
    const moved = wanted.value.filter((line) => packing.inContainer(line) !== line.quantity)
    for (const line of moved) packing.set(line)
    if (state === 'empty' && !filled.has(containerId) && moved.some(({ quantity }) => quantity > 0)) {
      filled.add(containerId)
      changes.push({ containerId, from: state, to: 'packed', cause: 'containers.pack', commandId, actor })
    }
    const items = waybill.items
      .map(({ itemNo }) => ({ itemNo, quantity: packing.inContainer({ containerId, waybillId, itemNo }) }))
      .filter(({ quantity }) => quantity > 0)
    return accepted({ containerId, waybillId, items, changed: moved.length > 0 })
  })
  await changeStates(context, changes)
  await setContents(context, packing.changes())
  return outcomes
}

/** The lines that a command asks for, when the waybill has as many pieces. */
function decide(
  { items }: PackItems,
  { containerId, waybill, packing }: { containerId: number; waybill: PackableWaybill; packing: Packing },
): Outcome<Content[]> {
  const { waybillId } = waybill
  if (items === undefined)
    return accepted(
      waybill.items.map(({ itemNo, quantity }) => {
        const line = { containerId, waybillId, itemNo }
        return { ...line, quantity: Math.max(0, quantity - packing.elsewhere(line)) }
      }),
    )
  const lines: Content[] = []
  for (const [index, { itemNo, quantity }] of items.entries()) {
    const field = `/items/${index}`
    const item = waybill.items.find((candidate) => candidate.itemNo === itemNo)
    if (item === undefined) return refused('containers.unknown_item', `waybill ${waybillId} has no item ${itemNo}`, `${field}/itemNo`)
    if (lines.some((line) => line.itemNo === itemNo))
      return refused('containers.item_twice', `item ${itemNo} is named twice`, `${field}/itemNo`)
    const line = { containerId, waybillId, itemNo }
    const left = item.quantity - packing.elsewhere(line)
    // Less than before is always possible, also when the waybill has shrunk meanwhile.
    if (quantity > left && quantity > packing.inContainer(line))
      return refused(
        'containers.more_than_ordered',
        `item ${itemNo} of waybill ${waybillId} has ${item.quantity} pieces, ${item.quantity - left} of them in other containers`,
        `${field}/quantity`,
        { left: Math.max(0, left) },
      )
    lines.push({ ...line, quantity })
  }
  return accepted(lines)
}
