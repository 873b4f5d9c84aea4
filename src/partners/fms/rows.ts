import type { RegisterShipment, ReportedFact } from '#tracking'
import { isZone, readLocal, type ZoneTime } from './zone-time.ts'

/** Source of facts and carrier of numbers that came from the monolith. */
export const fmsSource = 'fms'

/** A field that keeps a row out, and why. */
export interface Defect {
  readonly field: string
  readonly code: string
  readonly detail: string
}

/** Something that was taken, but not as it stood. */
export type Note = Defect

type Cells = Readonly<Record<string, string>>

export interface FmsShipment {
  readonly id: string
  readonly status: string
  readonly zone: string
  readonly number: { readonly carrier: string; readonly number: string } | null
  readonly command: RegisterShipment
  readonly notes: readonly Note[]
}

export interface FmsEvent {
  readonly id: number
  readonly shipmentId: string
  readonly status: string
  readonly at: Date
  readonly isDeleted: boolean
  /** The fact, and the void of it where the row was taken back. */
  readonly facts: readonly ReportedFact[]
  readonly notes: readonly Note[]
}

class RowError extends Error {
  readonly defect: Defect
  constructor(defect: Defect) {
    super(defect.detail)
    this.defect = defect
  }
}
const refuse = (field: string, code: string, detail: string): never => {
  throw new RowError({ field, code: `fms.${code}`, detail })
}

/** Gives the row, or the defect that keeps it out. */
function reading<T>(read: () => T): T | Defect {
  try {
    return read()
  } catch (error) {
    if (error instanceof RowError) return error.defect
    throw error
  }
}
export const isDefect = (read: object): read is Defect => 'detail' in read && 'code' in read

function keyOf(cells: Cells, field: string): string {
  const text = cells[field]?.trim() ?? ''
  if (!/^[1-9]\d{0,14}$/.test(text)) refuse(field, 'bad_key', `"${text}" is no key; keys are whole numbers from 1`)
  return text
}

function textOf(cells: Cells, field: string, longest: number): string {
  const text = cells[field]?.trim() ?? ''
  if (text.includes('\u0000')) refuse(field, 'unstorable', `${field} has a U+0000, which can not be stored`)
  if (text.length > longest) refuse(field, 'too_long', `${field} has ${text.length} characters; at most ${longest} are kept`)
  return text
}

function neededOf(cells: Cells, field: string, longest: number): string {
  const text = textOf(cells, field, longest)
  if (text === '') refuse(field, 'missing', `${field} is empty`)
  return text
}

function timeOf(text: string, { field, zone, notes }: { field: string; zone: string; notes: Note[] }): Date {
  const time: ZoneTime | undefined = readLocal(text, zone)
  if (time === undefined) return refuse(field, 'bad_time', `"${text}" is no time such as 2026-03-02 07:53:47`)
  if (time.kind === 'skipped') return refuse(field, 'skipped_time', `clocks in ${zone} skipped ${text}; is the zone right?`)
  if (time.kind === 'twice')
    notes.push({
      field,
      code: 'fms.time_twice',
      detail: `${text} came twice in ${zone}; the first was taken, and its zone counts as unknown`,
    })
  return time.at
}

function zoneOf(cells: Cells, field: string): string {
  const zone = neededOf(cells, field, 60)
  return isZone(zone) ? zone : refuse(field, 'bad_zone', `there is no time zone "${zone}"`)
}

export const readShipment = (cells: Cells): FmsShipment | Defect =>
  reading(() => {
    const notes: Note[] = []
    const id = keyOf(cells, 'id')
    const zone = zoneOf(cells, 'timezone')
    const status = neededOf(cells, 'status', 64).toUpperCase()
    const createdAt = timeOf(neededOf(cells, 'created_at', 40), { field: 'created_at', zone, notes })
    const carrier = textOf(cells, 'carrier', 32)
    if (carrier !== '' && !/^[a-z0-9][a-z0-9._-]*$/.test(carrier))
      refuse('carrier', 'bad_carrier', `"${carrier}" is no name of a carrier; small letters, digits, dot, dash`)
    if (carrier === 'fulfilment' || carrier === 'throughline' || carrier === fmsSource)
      refuse('carrier', 'bad_carrier', `"${carrier}" is a name of our own; leave it empty for the own fleet`)
    const number = textOf(cells, 'tracking_number', 64)
    if (carrier === '' && number !== '') refuse('carrier', 'missing', 'a tracking number needs its carrier')
    if (carrier !== '' && number === '')
      notes.push({ field: 'tracking_number', code: 'fms.no_number', detail: `${carrier} took it, but the number is empty` })
    const promised = textOf(cells, 'promised_at', 40)
    const promisedAt = promised === '' ? undefined : timeOf(promised, { field: 'promised_at', zone, notes })
    if (promisedAt !== undefined && promisedAt < createdAt)
      refuse('promised_at', 'promised_before', `it was promised for ${promised}, before it was made`)
    const reference = carrier !== '' && number !== '' ? { carrier, number } : null
    const [from, to] = [textOf(cells, 'origin_region', 64), textOf(cells, 'destination_region', 64)]
    const command: RegisterShipment = {
      numbers: [{ carrier: fmsSource, number: id }, ...(reference === null ? [] : [reference])],
      orderRef: neededOf(cells, 'order_ref', 64),
      ...(from === '' ? {} : { from }),
      ...(to === '' ? {} : { to }),
      ...(promisedAt === undefined ? {} : { promisedAt }),
    }
    return { id, status, zone, number: reference, command, notes }
  })

/** `zoneOfShipment` gives the zone of the shipment that a row is about; undefined where there is no such shipment. */
export const readEvent = (cells: Cells, zoneOfShipment: (id: string) => string | undefined): FmsEvent | Defect =>
  reading(() => {
    const notes: Note[] = []
    const id = keyOf(cells, 'id')
    const shipmentId = keyOf(cells, 'shipment_id')
    const ofShipment =
      zoneOfShipment(shipmentId) ?? refuse('shipment_id', 'no_shipment', `shipments.csv has no good row with the id ${shipmentId}`)
    const status = neededOf(cells, 'status', 64).toUpperCase()
    const isOwnZone = textOf(cells, 'timezone', 60) !== ''
    const zone = isOwnZone ? zoneOf(cells, 'timezone') : ofShipment
    const at = timeOf(neededOf(cells, 'happened_at', 40), { field: 'happened_at', zone, notes })
    const deleted = textOf(cells, 'is_deleted', 10).toLowerCase()
    if (!['', '0', '1', 'false', 'true', 'f', 't'].includes(deleted)) refuse('is_deleted', 'bad_flag', `"${deleted}" is neither 0 nor 1`)
    const isDeleted = ['1', 'true', 't'].includes(deleted)
    const [place, note] = [textOf(cells, 'location', 100), textOf(cells, 'note', 200)]
    const named = { carrier: fmsSource, number: shipmentId, source: fmsSource, occurredAt: at }
    const fact: ReportedFact = {
      ...named,
      code: status,
      sourceId: id,
      // An hour that comes twice is as uncertain as one without a zone.
      zoneKnown: isOwnZone && !notes.some(({ code }) => code === 'fms.time_twice'),
      ...(place === '' ? {} : { place }),
      ...(note === '' ? {} : { detail: note }),
    }
    const taken: ReportedFact[] = isDeleted ? [{ ...named, code: 'void', sourceId: `void-${id}`, voidsSourceId: id }] : []
    return { id: Number(id), shipmentId, status, at, isDeleted, facts: [fact, ...taken], notes }
  })
