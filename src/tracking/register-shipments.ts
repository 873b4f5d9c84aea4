import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { noArchive, type ReadArchive, recall, unreadableArchive } from './archive.ts'
import { lockNamed, type Locked } from './find-shipments.ts'
import { nothingYet } from './fold.ts'
import { foldAgain } from './record-facts.ts'
import {
  giveNumbers,
  mergeShipments,
  nameOf,
  type Reference,
  type RegisteredAs,
  shipmentsOfNumbers,
  takeBackNumbers,
  updateRegistrations,
} from './reference-store.ts'
import { type Named, referenceNamed, unknownShipment } from './reported-fact.ts'
import { findShipments, type Shipment, takeShipmentIds } from './shipment-store.ts'

/** Says whose a parcel is: at least one number, or a shipment or waybill that is known here. */
export interface RegisterShipment extends RegisteredAs {
  readonly shipmentId?: number
  readonly waybillId?: number
  readonly numbers?: readonly Reference[]
}

export interface RegisteredShipment {
  readonly shipmentId: number
  readonly token: string
  /** False when it was registered before. */
  readonly added: boolean
}

interface Wish {
  readonly command: RegisterShipment
  readonly index: number
  readonly names: readonly { readonly named: Named; readonly field: string }[]
}

/**
 * Registers shipments. Numbers that facts have told of already are joined: shipments that were opened by facts alone become one with
 * the shipment that the registration names, never a second one. Registered again it changes what it says and leaves what it does not.
 */
export async function registerShipments(
  context: WriteContext,
  commands: readonly RegisterShipment[],
  { archive = noArchive }: { readonly archive?: ReadArchive } = {},
): Promise<Outcome<RegisteredShipment>[]> {
  const read = commands.map(namesOf)
  const wishes = read.flatMap((outcome, index): Wish[] =>
    outcome.ok ? [{ command: commands[index] as RegisterShipment, index, names: outcome.value }] : [],
  )
  const opened = await openTogether(context, wishes)
  const locked = await lockNamed(
    context,
    wishes.flatMap(({ names }) => names.map(({ named }) => named)),
    { open: false },
  )
  const { recalled, unreadable } = await recallJoined(context, wishes, { locked, archive })
  const joined = new Joining()
  const entries = new Map<number, RegisteredAs>()
  const judged = new Map<number, Outcome<Shipment>>()
  for (const wish of wishes) {
    const outcome = joinOne(wish, { locked, joined, entries, unreadable })
    judged.set(wish.index, outcome)
    if (outcome.ok) entries.set(outcome.value.shipmentId, { ...entries.get(outcome.value.shipmentId), ...said(wish.command) })
  }
  await takeBack(
    context,
    opened,
    wishes.filter(({ index }) => judged.get(index)?.ok === true),
  )
  const pairs = joined.pairs()
  await mergeShipments(context, pairs)
  await updateRegistrations(context, entries)
  const whole = new Set(pairs.map(({ into }) => into))
  // What was brought back for a joining that was refused after all is folded as well.
  for (const id of recalled) whole.add(joined.targetOf(id))
  const now = new Map([...locked.shipments].map(([id, shipment]) => [id, { ...shipment, ...idsOf(entries.get(id)) }]))
  await foldAgain(context, now, [], whole)
  const fresh = new Set([...entries.keys()].filter((id) => locked.shipments.get(id)?.registered === false))
  return read.map((outcome, index): Outcome<RegisteredShipment> => {
    const shipment = outcome.ok ? (judged.get(index) as Outcome<Shipment>) : outcome
    if (!shipment.ok) return shipment
    const shipmentId = joined.targetOf(shipment.value.shipmentId)
    const { token } = locked.shipments.get(shipmentId) as Shipment
    return accepted({ shipmentId, token, added: fresh.delete(shipmentId) })
  })
}

/** Shipments that may become one and have facts in files get them back first: two bases can not be made into one. */
async function recallJoined(
  context: WriteContext,
  wishes: readonly Wish[],
  { locked, archive }: { locked: Locked; archive: ReadArchive },
): Promise<{ recalled: ReadonlySet<number>; unreadable: ReadonlyMap<number, string> }> {
  const sealed = new Map<number, Shipment>()
  for (const { names } of wishes) {
    const found = new Map(names.flatMap(({ named }) => locked.find(named) ?? []).map((shipment) => [shipment.shipmentId, shipment]))
    if (found.size < 2) continue
    for (const [id, shipment] of found) if (shipment.standing.sealedUntil !== null) sealed.set(id, shipment)
  }
  const unreadable = await recall(context, [...sealed.values()], archive)
  return { recalled: new Set([...sealed.keys()].filter((id) => !unreadable.has(id))), unreadable }
}

const said = ({ orderId, orderRef, from, to, promisedAt }: RegisterShipment): RegisteredAs => ({
  ...(orderId === undefined ? {} : { orderId }),
  ...(orderRef === undefined ? {} : { orderRef }),
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
  ...(promisedAt === undefined ? {} : { promisedAt }),
})
const idsOf = ({ orderId, orderRef }: RegisteredAs = {}) => ({
  ...(orderId === undefined ? {} : { orderId }),
  ...(orderRef === undefined ? {} : { orderRef }),
})

function namesOf({ shipmentId, waybillId, numbers = [] }: RegisterShipment): Outcome<Wish['names']> {
  const names: { named: Named; field: string }[] = []
  if (shipmentId !== undefined) names.push({ named: { by: 'shipment', shipmentId }, field: '/shipmentId' })
  if (waybillId !== undefined) names.push({ named: { by: 'waybill', waybillId }, field: '/waybillId' })
  for (const [index, reference] of numbers.entries()) {
    const outcome = referenceNamed(reference, `/numbers/${index}/number`)
    if (!outcome.ok) return outcome
    names.push({ named: outcome.value, field: `/numbers/${index}/number` })
  }
  return names.length === 0
    ? refused('tracking.no_shipment_named', 'name at least one number with its carrier, or a shipment or waybill', '/numbers')
    : accepted(names)
}

/** All numbers of one wish that nobody knows yet become one shipment, or go to the one that the wish names otherwise. */
async function openTogether(context: WriteContext, wishes: readonly Wish[]): Promise<Opened> {
  const references = new Map<string, Reference>()
  for (const { names } of wishes) for (const { named } of names) if (named.by === 'number') references.set(named.name, named.reference)
  const known = await shipmentsOfNumbers(context, [...references.values()])
  const opening = wishes.filter(({ names }) => names.some(({ named }) => named.by === 'number' && !known.has(named.name)))
  const byWaybill = await idsBy(
    context,
    'waybill',
    opening.flatMap(({ command }) => (command.shipmentId === undefined ? (command.waybillId ?? []) : [])),
  )
  const byId = await idsBy(
    context,
    'shipment',
    opening.flatMap(({ command }) => command.shipmentId ?? []),
  )
  const ids = await takeShipmentIds(context, opening.length)
  const given = new Map<string, Reference & { shipmentId: number }>()
  const fresh = new Set<number>()
  for (const [index, { command, names }] of opening.entries()) {
    const numbers = names.flatMap(({ named }) => (named.by === 'number' ? [named] : []))
    const { shipmentId: asked, waybillId } = command
    // Named by an id that does not exist, it is refused later; its numbers must stay free.
    if ((asked !== undefined && !byId.has(asked)) || (asked === undefined && waybillId !== undefined && !byWaybill.has(waybillId))) continue
    const before =
      byId.get(asked ?? 0) ??
      byWaybill.get(waybillId ?? 0) ??
      numbers.map(({ name }) => known.get(name) ?? given.get(name)?.shipmentId).find((id) => id !== undefined)
    const shipmentId = before ?? ids[index] ?? 0
    if (before === undefined) fresh.add(shipmentId)
    for (const { name, reference } of numbers) if (!known.has(name) && !given.has(name)) given.set(name, { ...reference, shipmentId })
  }
  return { fresh, given: await giveNumbers(context, [...given.values()], { fresh: [...fresh], standing: nothingYet }) }
}

interface Opened {
  readonly fresh: ReadonlySet<number>
  readonly given: readonly (Reference & { readonly shipmentId: number })[]
}

/** A wish that was refused has given no number, and opened no shipment. */
async function takeBack(context: WriteContext, { fresh, given }: Opened, granted: readonly Wish[]): Promise<void> {
  const kept = new Set(granted.flatMap(({ names }) => names.flatMap(({ named }) => (named.by === 'number' ? [named.name] : []))))
  const back = given.filter((one) => !kept.has(nameOf(one)))
  const held = new Set(given.filter((one) => kept.has(nameOf(one))).map(({ shipmentId }) => shipmentId))
  await takeBackNumbers(
    context,
    back,
    back.map(({ shipmentId }) => shipmentId).filter((id) => fresh.has(id) && !held.has(id)),
  )
}

async function idsBy(context: WriteContext, kind: 'waybill' | 'shipment', keys: readonly number[]): Promise<Map<number, number>> {
  const found = await findShipments(context, kind, keys)
  return new Map(keys.flatMap((key, index) => (found[index] ?? []).map(({ shipmentId }) => [key, shipmentId] as const)))
}

/** Which shipments of a batch become one: a forest, with the shipment that stays as the root. */
class Joining {
  readonly #into = new Map<number, number>()

  targetOf(shipmentId: number): number {
    let at = shipmentId
    for (let next = this.#into.get(at); next !== undefined; next = this.#into.get(at)) at = next
    return at
  }

  join(from: number, into: number): void {
    if (from !== into) this.#into.set(from, into)
  }

  pairs(): { from: number; into: number }[] {
    return [...this.#into.keys()].map((from) => ({ from, into: this.targetOf(from) }))
  }
}

interface Soil {
  readonly locked: Locked
  readonly joined: Joining
  /** What earlier entries of the batch have registered. */
  readonly entries: ReadonlyMap<number, RegisteredAs>
  /** Shipments with a file that can not be read, which therefore stay as they are. */
  readonly unreadable: ReadonlyMap<number, string>
}

function joinOne({ command, names }: Wish, { locked, joined, entries, unreadable }: Soil): Outcome<Shipment> {
  const isRegistered = (shipment: Shipment) => shipment.registered || entries.has(shipment.shipmentId)
  let stays: Shipment | undefined
  const merging: Shipment[] = []
  for (const { named, field } of names) {
    const found = locked.find(named)
    if (found === undefined) return unknownShipment(named, field)
    const shipment = locked.shipments.get(joined.targetOf(found.shipmentId)) as Shipment
    if (stays === undefined || stays.shipmentId === shipment.shipmentId) {
      stays = shipment
      continue
    }
    // Only what facts alone have opened may become one with another; two that somebody registered are two.
    const [kept, gone] = !isRegistered(shipment) ? [stays, shipment] : !isRegistered(stays) ? [shipment, stays] : [undefined, undefined]
    if (kept === undefined || gone === undefined) {
      const both = `shipments ${stays.shipmentId} and ${shipment.shipmentId}`
      return refused('tracking.number_taken', `the numbers are of ${both}, which were registered as two`, field)
    }
    for (const { shipmentId } of [gone, kept]) {
      const file = unreadable.get(shipmentId)
      if (file !== undefined) return unreadableArchive(shipmentId, file, field)
    }
    merging.push(gone)
    stays = kept
  }
  const shipment = stays as Shipment
  const { orderId, orderRef } = { ...shipment, ...entries.get(shipment.shipmentId) }
  if (differs(command.orderRef, orderRef))
    return refused('tracking.number_taken', `this parcel is of order ${orderRef}; a parcel has one order`, '/orderRef')
  if (differs(command.orderId, orderId))
    return refused('tracking.number_taken', `this parcel is of order ${orderId}; a parcel has one order`, '/orderId')
  for (const gone of merging) joined.join(gone.shipmentId, shipment.shipmentId)
  return accepted(shipment)
}

const differs = <T>(wanted: T | undefined, known: T | null | undefined): boolean =>
  wanted !== undefined && known !== null && known !== undefined && wanted !== known
