export interface FmsColumn {
  readonly name: string
  readonly needed: boolean
  readonly about: string
}

/** shipments.csv: a row of the monolith's table of shipments. */
export const shipmentColumns: readonly FmsColumn[] = [
  { name: 'id', needed: true, about: 'key of the row, a whole number; the shipment is known by it as number of the carrier `fms`' },
  { name: 'order_ref', needed: true, about: 'what the monolith calls the order, at most 64 characters' },
  { name: 'status', needed: true, about: 'the status that the monolith shows; compared with what the events say, never taken over' },
  { name: 'created_at', needed: true, about: 'local time, such as `2026-03-02 07:53:47`' },
  { name: 'timezone', needed: true, about: 'zone of the local times of the row, such as `America/Sao_Paulo`' },
  { name: 'carrier', needed: false, about: 'carrier that took it, in small letters; empty for the own fleet' },
  { name: 'tracking_number', needed: false, about: 'what that carrier calls it' },
  { name: 'origin_region', needed: false, about: 'where it came from, one end of its lane' },
  { name: 'destination_region', needed: false, about: 'where it goes to, the other end' },
  { name: 'promised_at', needed: false, about: 'local time by which it was promised' },
]

/** tracking.csv: a row of its table of tracking events, in the order in which they were written. */
export const eventColumns: readonly FmsColumn[] = [
  { name: 'id', needed: true, about: 'key of the row, a whole number; the fact is known by it' },
  { name: 'shipment_id', needed: true, about: '`id` of a row of shipments.csv' },
  {
    name: 'status',
    needed: true,
    about: 'what happened, a [code of the monolith](carrier-codes.md); one that is not in the table is kept and shown',
  },
  { name: 'happened_at', needed: true, about: 'local time' },
  { name: 'timezone', needed: false, about: 'its zone; where it is empty that of the shipment is taken, and the zone counts as unknown' },
  { name: 'location', needed: false, about: 'place, at most 100 characters' },
  { name: 'note', needed: false, about: 'at most 200 characters' },
  { name: 'is_deleted', needed: false, about: '`1` or `true` when somebody took the row back; it comes in as a fact and a void of it' },
]
