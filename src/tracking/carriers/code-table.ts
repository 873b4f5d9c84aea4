/** What a carrier's code says of where a parcel stands. Null: kept and shown, moves nothing. */
export interface CodeMeaning {
  readonly milestone: CarrierMilestone | null
  /** In our words, for the reference. */
  readonly meaning: string
}

type CarrierMilestone =
  | 'created'
  | 'accepted'
  | 'in_transit'
  | 'at_hub'
  | 'out_for_delivery'
  | 'attempted'
  | 'delivered'
  | 'exception'
  | 'returning'
  | 'returned'
  | 'cancelled'

/** Codes of one carrier. A code in two parts, `DE/08`, has a row of its own or is read by its first part. */
export type CodeTable = Readonly<Record<string, CodeMeaning>>

/** Undefined for a code that the table does not have. */
export function meaningOf(table: CodeTable, code: string): CodeMeaning | undefined {
  if (Object.hasOwn(table, code)) return table[code]
  const slash = code.indexOf('/')
  const first = code.slice(0, slash)
  return slash > 0 && Object.hasOwn(table, first) ? table[first] : undefined
}

const row =
  (milestone: CarrierMilestone | null) =>
  (meaning: string): CodeMeaning => ({ milestone, meaning })
export const [created, accepted, inTransit, atHub, outForDelivery, attempted, delivered, exception, returning, returned, cancelled, kept] =
  [
    row('created'),
    row('accepted'),
    row('in_transit'),
    row('at_hub'),
    row('out_for_delivery'),
    row('attempted'),
    row('delivered'),
    row('exception'),
    row('returning'),
    row('returned'),
    row('cancelled'),
    row(null),
  ] as const
