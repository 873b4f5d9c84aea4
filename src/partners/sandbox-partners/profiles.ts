import type { ExchangeMessage } from '#platform/exchange.ts'

/** One thing that a partner asks of us in answer to a message. */
export interface Answer {
  readonly operation: string
  readonly key: string
  readonly body: object
}

/** Draws of a sandbox, by the message that it answers. */
export interface Luck {
  /** Whether something is missing of what this message asks for. */
  readonly isShort: boolean
}

export interface SandboxProfile {
  readonly name: string
  readonly about: string
  /** What it does with a message: nothing, or these, in this order. */
  readonly answersOf: (message: ExchangeMessage, luck: Luck) => readonly Answer[]
}

interface AboutWaybill {
  readonly waybillId: number
  readonly to?: string
}

interface AboutSalesOrder {
  readonly salesOrderId: number
  readonly lines: readonly { readonly itemNo: number; readonly quantity: number }[]
}

/** Accepts, picks and packs; of what is short, the last piece of the first line is missing. */
function prepares({ body }: ExchangeMessage, { isShort }: Luck): Answer[] {
  const { salesOrderId, lines } = body as AboutSalesOrder
  const [first] = lines
  const short = isShort && first !== undefined ? { lines: [{ itemNo: first.itemNo, picked: Math.max(0, first.quantity - 1) }] } : {}
  return ['accepted', 'picked', 'packed'].map((report) => ({
    operation: 'sales_orders.report',
    key: `sales-order-${salesOrderId}`,
    body: { salesOrderId, report, ...(report === 'picked' ? short : {}) },
  }))
}

const moves = (message: ExchangeMessage, states: readonly string[]): Answer[] => {
  const { waybillId } = message.body as AboutWaybill
  return states.map((to) => ({ operation: 'waybills.update', key: String(waybillId), body: { waybillId, to } }))
}
const isAbout = ({ topic, body }: ExchangeMessage, name: string, to?: string): boolean =>
  topic.endsWith(`.${name}`) && (to === undefined || (body as AboutWaybill).to === to)

/** What each sandbox does, as the real ones were described: the warehouse prepares, the sorter brings to the truck, the others listen. */
export const sandboxPartners: readonly SandboxProfile[] = [
  {
    name: 'wms',
    about: 'accepts, picks and packs what it is told to',
    answersOf: (message, luck) => (isAbout(message, 'sales_order.created') ? prepares(message, luck) : []),
  },
  {
    name: 'pss',
    about: 'stages and loads what is packed',
    answersOf: (message) => (isAbout(message, 'waybill.moved', 'packed') ? moves(message, ['staged', 'loaded']) : []),
  },
  { name: 'ods', about: 'keeps what it is told', answersOf: () => [] },
  { name: 'hybris', about: 'follows its orders, and places some when it is told to', answersOf: () => [] },
]
