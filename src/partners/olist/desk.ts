import type { Outcome } from '#kernel/outcome.ts'

/** What the importer needs of Throughline: the operations that a storefront and its carriers call, and a clock to set. */
export interface OlistDesk {
  /** Calls an operation many times; one outcome each, in order. */
  call(operation: string, calls: readonly DeskCall[]): Promise<readonly Outcome<unknown>[]>
  /** Sets what Throughline takes for now. It never goes back: limits, breakers and slots count by it. */
  setClock(now: Date): void
  now(): Date
  /** Begins to carry events from context to context. */
  start(): void
  /** Asks the gateway about payments that a process left behind when it died. */
  sweepPayments(): Promise<void>
  /** The customer pays in at the bank under a transfer's reference. False: nothing is waited for under it there. */
  payIn(reference: string): Promise<boolean>
  /** Whether every event has been taken by all who wait for it and no payment is under way. */
  isQuiet(): Promise<boolean>
}

export interface DeskCall {
  readonly input: unknown
  readonly idempotencyKey?: string
}

export interface KnownOrder {
  readonly orderId: number
  readonly customerId: string
  readonly state: string
  readonly moneyState: string
  readonly placedAt: string
}

/** All orders of a store, by the customer id that tells an order of the data set. */
export async function ordersOfStore(desk: OlistDesk, storeId: string): Promise<Map<string, KnownOrder>> {
  const known = new Map<string, KnownOrder>()
  for (let before: number | null | undefined; before !== null; ) {
    const [page] = await desk.call('orders.list', [{ input: { storeId, limit: 200, ...(before === undefined ? {} : { before }) } }])
    const { orders, next } = valueOf(page, 'orders.list') as { orders: KnownOrder[]; next: number | null }
    for (const order of orders) known.set(order.customerId, order)
    before = next
  }
  return known
}

/** Of a question that has no reason to be refused. */
export function valueOf(outcome: Outcome<unknown> | undefined, operation: string): unknown {
  if (outcome?.ok) return outcome.value
  throw new Error(`${operation} was refused: ${outcome?.error.code} ${outcome?.error.detail}`)
}

/** Refusals that say nothing about the command: it may be asked again with the same key. */
const passing = new Set(['platform.unavailable', 'platform.overloaded', 'platform.deadline', 'platform.limited'])

export const isPassing = (outcome: Outcome<unknown>): boolean => !outcome.ok && passing.has(outcome.error.code)
