import type { Movement, PaymentsMoved } from '#payments'
import type { WriteContext } from '#platform/database.ts'
import { house, type Line } from './account.ts'
import { bookEntries, type NewEntry } from './ledger-store.ts'

/** A movement of money that payments announced. */
export interface BookMovement {
  readonly moved: Pick<PaymentsMoved, 'orderId' | 'currency' | 'reason'> & { readonly movement: Movement }
  readonly actor: string
  readonly commandId: string
}

/**
 * Books what moved at gateways. Accounts of customers are gateways, too, but book for themselves, in the transaction that
 * changes the balance, so their movements are passed over here. Repeating a movement books nothing.
 */
export async function bookMovements(context: WriteContext, asked: readonly BookMovement[]): Promise<number> {
  const entries = asked.flatMap(({ moved, actor, commandId }): NewEntry[] => {
    const lines = linesOf(moved.movement)
    if (lines === undefined) return []
    const { kind, subjectId, stray } = moved.movement
    const { orderId, currency, reason } = moved
    const name = stray ? `stray_${kind}` : kind
    return [{ key: `${kind} ${subjectId}`, kind: name, orderId: stray ? null : orderId, currency, lines, reason, actor, commandId }]
  })
  return (await bookEntries(context, entries)).length
}

const ownGateways: ReadonlySet<string> = new Set(['wallet', 'points', 'voucher'])

/** The lines of a movement; undefined where no money moved between accounts: a promise at a gateway is not money yet. */
function linesOf({ kind, amountMinor, gateway, stray }: Movement): Line[] | undefined {
  if (ownGateways.has(gateway)) return undefined
  const at = house.gateway(gateway)
  const counterpart = stray ? house.stray : house.orders
  switch (kind) {
    case 'captured':
      return [
        [at, amountMinor],
        [counterpart, -amountMinor],
      ]
    case 'refunded':
      return [
        [counterpart, amountMinor],
        [at, -amountMinor],
      ]
    case 'charged_back':
      return [
        [house.disputes, amountMinor],
        [at, -amountMinor],
      ]
    case 'dispute_won':
      return [
        [at, amountMinor],
        [house.disputes, -amountMinor],
      ]
    case 'authorized':
    case 'voided':
      return undefined
  }
}
