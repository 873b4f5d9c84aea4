import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type Claim, claimIdOf, type ClaimItem, type ClaimKind, mostClaims, type Replacement } from './claim-lifecycle.ts'
import type { ItemState } from './lifecycle.ts'
import { rankOf } from './lifecycle.ts'
import { headOf, lineOf, type Order, type OrderItem } from './order.ts'
import type { Picked } from './pick-rows.ts'

/** Pieces that a claim has for itself: those on their way through it, and those that it has settled. */
function heldBy(claim: Claim, itemNo: number): number {
  if (claim.state === 'rejected' || claim.state === 'withdrawn') return 0
  // Of these the row goes on as it was; settled they are all the same.
  const whole = claim.kind === 'reship' || claim.kind === 'refund_only' || !claim.passed.includes('inspected')
  let held = 0
  for (const item of claim.items) {
    if (item.itemNo === itemNo) held += whole ? item.quantity : item.accepted + item.damaged
    // Refused pieces are in the warehouse until they are sent back.
    if (claim.state === 'inspected' && item.refusedItemNo === itemNo) held += item.refused
  }
  return held
}

/** Pieces of a row that no claim has for itself. */
export const freePieces = (order: Order, item: OrderItem): number =>
  headOf(order).claims.reduce((free, claim) => free - heldBy(claim, item.itemNo), lineOf(item).quantity)

/** Lost, or back in the depot since nobody took them: what claims took back has no free pieces. */
export const isOver = (state: ItemState): boolean => state === 'lost' || state === 'returned'

/** What may be claimed of goods in a state. */
const claimable: Readonly<Record<ClaimKind, (state: ItemState) => boolean>> = {
  return: (state) => rankOf(state) >= 60,
  exchange: (state) => rankOf(state) >= 80,
  reship: (state) => isOver(state) || rankOf(state) >= 80,
  refund_only: (state) => isOver(state) || rankOf(state) >= 80,
}

export interface ClaimedRow extends Picked {
  readonly replacement: Replacement | null
}

export interface NewClaim {
  readonly kind: ClaimKind
  readonly reason: string
  readonly rows: readonly ClaimedRow[]
}

/** An order with a further claim that waits for its answer. Its pieces are set aside: no other claim can have them. */
export function openClaim(order: Order, { kind, reason, rows }: NewClaim): Outcome<{ order: Order; claim: Claim }> {
  for (const { item, quantity, field } of rows) {
    if (!claimable[kind](item.state)) {
      return refused('orders.not_claimable', `Item ${item.itemNo} is ${item.state}; ${advice[kind]}`, field, {
        itemNo: item.itemNo,
        state: item.state,
      })
    }
    const free = freePieces(order, item)
    if (quantity > free) {
      return refused('orders.already_claimed', `Item ${item.itemNo} has ${free} pieces that no other claim has, not ${quantity}.`, field, {
        itemNo: item.itemNo,
        quantity: free,
      })
    }
  }
  const claims = headOf(order).claims
  if (claims.length >= mostClaims) {
    return refused('orders.too_many_claims', `An order has at most ${mostClaims} claims.`, '/order')
  }
  const claim: Claim = {
    id: claimIdOf(order.id, claims.length + 1),
    kind,
    state: 'requested',
    reason,
    refundShipping: false,
    shippingSections: [],
    refundedMinor: 0,
    passed: ['requested'],
    items: rows.map(
      ({ item, quantity, replacement }): ClaimItem => ({
        itemNo: item.itemNo,
        quantity,
        accepted: 0,
        damaged: 0,
        refused: 0,
        refusedItemNo: null,
        newItemNo: null,
        replacement,
      }),
    ),
  }
  return accepted({ order: { ...order, detail: { ...headOf(order), claims: [...claims, claim] } }, claim })
}

const advice: Readonly<Record<ClaimKind, string>> = {
  return: 'what has left can be returned; cancel what has not.',
  exchange: 'what was delivered can be exchanged.',
  reship: 'what was lost, delivered or came back undelivered can be sent again.',
  refund_only: 'what was lost, delivered or came back undelivered can be refunded; cancel what has not left.',
}

/**
 * What becomes of a cancel of goods that have left: a return that waits for its answer, of the pieces that no claim has yet. The
 * same order and no claim where there is none left to ask for, as when the cancel is repeated.
 */
export function openReturn(order: Order, rows: readonly Picked[], reason: string): Outcome<{ order: Order; claimIds: number[] }> {
  const free = rows
    .map((row) => ({ ...row, replacement: null, quantity: Math.min(row.quantity, freePieces(order, row.item)) }))
    .filter(({ quantity }) => quantity > 0)
  if (free.length === 0) return accepted({ order, claimIds: [] })
  const opened = openClaim(order, { kind: 'return', reason, rows: free })
  return opened.ok ? accepted({ order: opened.value.order, claimIds: [opened.value.claim.id] }) : opened
}

/** An order with one of its claims, and what rows it is about, replaced. */
export const withClaim = (order: Order, claim: Claim): Order => ({
  ...order,
  detail: { ...headOf(order), claims: headOf(order).claims.map((each) => (each.id === claim.id ? claim : each)) },
})
