import type pg from 'pg'

/** How a column of a copy differs from the same column of the template. */
type Change =
  | 'order'
  | 'payment'
  | 'payments'
  | 'closed'
  | 'waybill'
  | 'waybills'
  | 'shipment'
  | 'sales_order'
  | 'sales_orders'
  | 'serial'
  | 'quota'
  | 'route'
  | 'customer'
  | 'number'
  | 'day'
  | 'projection'
  | 'key'
  | 'token'

interface Table {
  readonly name: string
  readonly columns: Readonly<Record<string, Change>>
  /** The column with the order's id, where the table also carries its number. */
  readonly numberOf?: string
}

const orderTables: Table[] = [
  { name: 'orders.orders', columns: { id: 'order', number: 'number', customer_id: 'customer' }, numberOf: 'id' },
  { name: 'orders.section', columns: { order_id: 'order', slot_date: 'day' } },
  { name: 'orders.item', columns: { order_id: 'order' } },
  { name: 'orders.change', columns: { id: 'serial', root: 'order' } },
  { name: 'orders.order_search', columns: { order_id: 'order' } },
]
const paymentTables: Table[] = [
  { name: 'payments.request', columns: { id: 'payment', order_id: 'order', closed: 'closed', customer_id: 'customer' } },
  { name: 'payments.leg', columns: { id: 'payment', request_id: 'payment' } },
  { name: 'payments.attempt', columns: { id: 'payment', leg_id: 'payment', request_id: 'payment' } },
  { name: 'payments.change', columns: { id: 'serial', root: 'payment', entities: 'payments' } },
  { name: 'ledger.entry', columns: { id: 'serial', key: 'key', order_id: 'order' } },
]
const waybillTables: Table[] = [
  {
    name: 'fulfilment.waybill',
    columns: { id: 'waybill', order_id: 'order', order_number: 'number', slot_date: 'day', route_id: 'route', origin_id: 'waybill' },
    numberOf: 'order_id',
  },
  { name: 'fulfilment.change', columns: { id: 'serial', root: 'waybill' } },
  {
    name: 'routing.assignment',
    columns: { waybill_id: 'waybill', order_id: 'order', asked_date: 'day', date: 'day', quota_id: 'quota', route_id: 'route' },
  },
  { name: 'routing.change', columns: { id: 'serial', root: 'waybill' } },
  { name: 'routing.quota_ledger', columns: { id: 'serial', quota_id: 'quota', waybill_ids: 'waybills' } },
  {
    name: 'tracking.shipment',
    columns: { id: 'shipment', waybill_id: 'waybill', order_id: 'order', token: 'token', projection: 'projection' },
  },
  // Its id is the hash of what happened; a copy of it happened to another shipment, which is part of the key.
  { name: 'tracking.event', columns: { shipment_id: 'shipment' } },
]
const warehouseTables: Table[] = [
  {
    name: 'warehousing.sales_order',
    columns: {
      id: 'sales_order',
      waybill_id: 'waybill',
      order_id: 'order',
      order_number: 'number',
      slot_date: 'day',
      transferred_from: 'sales_order',
    },
    numberOf: 'order_id',
  },
  { name: 'warehousing.change', columns: { id: 'serial', root: 'sales_order', entities: 'sales_orders' } },
]
const factTables: Table[] = [
  { name: 'analytics.order_fact', columns: { order_id: 'order', order_number: 'number', customer_id: 'customer' }, numberOf: 'order_id' },
  { name: 'analytics.item_fact', columns: { order_id: 'order', order_number: 'number', customer_id: 'customer' }, numberOf: 'order_id' },
  {
    name: 'analytics.payment_fact',
    columns: { subject_id: 'payment', order_id: 'order', request_id: 'payment', leg_id: 'payment', customer_id: 'customer' },
  },
]

/** Tables that a copy of a day has rows in; those of each context together. */
export const copiedTables: readonly Table[] = [...orderTables, ...paymentTables, ...waybillTables, ...warehouseTables, ...factTables]

/** How far apart the ids of two copies are, by kind; `serial` by table. */
export interface Strides {
  readonly order: number
  readonly payment: number
  readonly waybill: number
  readonly shipment: number
  readonly sales_order: number
  readonly quota: number
  readonly route: number
  readonly serial: ReadonlyMap<string, number>
}

export const templateOf = (name: string): string => `history.${name.replace('.', '_')}`

/** `insert … select` of the copies from $1 up to $2. Copies are numbered from 1; c.back is how many days before the template they lie. */
export function copyStatement(
  { name, columns, numberOf }: Table,
  all: readonly { column: string; type: string }[],
  strides: Strides,
): string {
  const by = (kind: 'order' | 'payment' | 'waybill' | 'shipment' | 'sales_order') => `c.k::bigint * ${strides[kind]}`
  const shifted = (column: string, kind: 'payment' | 'waybill' | 'sales_order', type: string) =>
    `array(select (each::bigint + ${by(kind)})::${type} from unnest(t.${column}) with ordinality as each_of (each, at) order by at)`
  const expressionOf = ({ column, type }: { column: string; type: string }): string => {
    const old = `t.${column}`
    switch (columns[column]) {
      case 'order':
        return `${old} + ${by('order')}`
      case 'payment':
        return `${old} + ${by('payment')}`
      case 'waybill':
        return `${old} + ${by('waybill')}`
      case 'shipment':
        return `${old} + ${by('shipment')}`
      case 'sales_order':
        return `${old} + ${by('sales_order')}`
      case 'sales_orders':
        return shifted(column, 'sales_order', 'text')
      case 'serial':
        return `${old} + c.k::bigint * ${strides.serial.get(name) ?? 0}`
      // A day has one set of quotas, whatever the number of its copies.
      case 'quota':
        return `${old} + c.back * ${strides.quota}`
      case 'route':
        return `${old} + c.k::bigint * ${strides.route}`
      case 'closed':
        return `case when ${old} = 0 then 0 else ${old} + ${by('payment')} end`
      case 'payments':
        return shifted(column, 'payment', 'text')
      case 'waybills':
        return shifted(column, 'waybill', 'bigint')
      case 'customer':
        return `${old} || '-' || c.k % 750`
      case 'number':
        return 'numbered.number'
      case 'day':
        return type === 'date' ? `${old} - c.back` : `to_char(${old}::date - c.back, 'YYYY-MM-DD')`
      case 'projection':
        return 'folded.projection'
      case 'key':
        return `${old} || '~' || c.k`
      case 'token':
        return `md5(${old}::text || c.k)::uuid`
      default:
        return type === 'timestamptz' ? `${old} - c.back * interval '1 day'` : old
    }
  }
  const numbers = numberOf === undefined ? '' : ` join history.number as numbered on numbered.order_id = t.${numberOf} + ${by('order')}`
  const folds = Object.values(columns).includes('projection')
    ? ' join history.projection as folded on folded.shipment_id = t.id and folded.back = c.back'
    : ''
  return `insert into ${name} (${all.map(({ column }) => column).join(', ')}) overriding system value
    select ${all.map(expressionOf).join(', ')}
    from history.copy as c cross join ${templateOf(name)} as t${numbers}${folds} where c.k >= $1 and c.k < $2 order by c.k`
}

export async function columnsOf(admin: pg.Client, name: string): Promise<{ column: string; type: string }[]> {
  const [schema, table] = name.split('.')
  const { rows } = await admin.query<{ column: string; type: string }>(
    `select column_name as column, udt_name as type from information_schema.columns
     where table_schema = $1 and table_name = $2 and is_generated = 'NEVER' order by ordinal_position`,
    [schema, table],
  )
  return rows
}
