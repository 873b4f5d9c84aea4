import type { ExchangeMessage } from '#platform/exchange.ts'

/** One thing that a partner asks of us in answer to a message. */
export interface Answer {
  readonly operation: string
  readonly key: string
  readonly body: object
}

export interface SandboxProfile {
  readonly name: string
  readonly about: string
  /** What it does with a message: nothing, or these, in this order. */
  readonly answersOf: (message: ExchangeMessage) => readonly Answer[]
}

interface AboutWaybill {
  readonly waybillId: number
  readonly to?: string
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
    about: 'acknowledges, picks and packs what is released to it',
    answersOf: (message) => (isAbout(message, 'waybill.released') ? moves(message, ['acknowledged', 'picked', 'packed']) : []),
  },
  {
    name: 'pss',
    about: 'stages and loads what is packed',
    answersOf: (message) => (isAbout(message, 'waybill.moved', 'packed') ? moves(message, ['staged', 'loaded']) : []),
  },
  { name: 'ods', about: 'keeps what it is told', answersOf: () => [] },
  { name: 'hybris', about: 'follows its orders, and places some when it is told to', answersOf: () => [] },
]
