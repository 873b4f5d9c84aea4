import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ClaimDecision } from './change-claims.ts'
import { type Claim, claimIn, type ClaimItem } from './claim-lifecycle.ts'
import type { InspectClaimInput } from './claim-schemas.ts'
import { editedEvent } from './edit-sections.ts'
import { itemLifeCycle } from './lifecycle.ts'
import { withClaim } from './open-claim.ts'
import type { Order, OrderItem } from './order.ts'
import { changeRows } from './pick-rows.ts'
import { refundRows, replaceRows, type Settled } from './settle-claim.ts'
import { settle } from './settle.ts'
import { type Split, splitOff } from './split-row.ts'

type Found = NonNullable<InspectClaimInput['items']>

/**
 * Settles a claim by what was found. Accepted and damaged pieces are returned for money, or exchanged for new rows; refused ones get a
 * row of their own, which stays as it was, and wait to be sent back. Without refused ones the claim is completed.
 */
export function inspectClaim(order: Order, claim: Claim, found: Found | undefined): Outcome<ClaimDecision> {
  const results = resultsOf(claim, found)
  if (!results.ok) return results
  const end = claim.kind === 'exchange' ? 'exchanged' : 'returned'
  const splits: Split[] = []
  let split = order
  const items: ClaimItem[] = []
  for (const item of results.value) {
    const row = split.items.find(({ itemNo }) => itemNo === item.itemNo) as OrderItem
    const taken = item.accepted + item.damaged
    if (taken > 0 && !itemLifeCycle.canMove(row.state, end)) {
      return refused('orders.not_possible', `Item ${row.itemNo} is ${row.state} and can not become ${end}.`, '/items', {
        itemNo: row.itemNo,
        state: row.state,
      })
    }
    if (item.refused === 0 || taken === 0) {
      items.push({ ...item, refusedItemNo: taken === 0 ? item.itemNo : null })
      continue
    }
    const off = splitOff(split, row, item.refused)
    split = off.order
    if (off.split !== null) splits.push(off.split)
    items.push({ ...item, refusedItemNo: off.taken.itemNo })
  }
  const settled = items.flatMap((item, position): Settled[] =>
    item.accepted + item.damaged === 0 ? [] : [{ item: split.items.find(({ itemNo }) => itemNo === item.itemNo) as OrderItem, position }],
  )
  const ended = changeRows(
    split,
    settled.map(({ item }) => item.itemNo),
    (item) => ({ ...item, state: end }),
  )
  const inspected: Claim = { ...claimIn(claim, 'inspected'), items }
  const made =
    claim.kind === 'exchange' && settled.length > 0
      ? replaceRows(split, ended, { claim: inspected, settled })
      : accepted(refundRows(split, ended, { claim: inspected, settled }))
  if (!made.ok) return made
  const after = items.some(({ refused: back }) => back > 0) ? made.value.claim : claimIn(made.value.claim, 'completed')
  const edited = splits.length === 0 ? [] : [editedEvent(order, ['items'], splits)]
  const decision = settle(order, withClaim(made.value.order, after), { splits, events: [...edited, ...made.value.events] })
  return accepted({ ...decision, claim: after })
}

function resultsOf(claim: Claim, found: Found | undefined): Outcome<ClaimItem[]> {
  if (found === undefined) return accepted(claim.items.map((item) => ({ ...item, accepted: item.quantity })))
  const results = new Map<number, ClaimItem>()
  for (const [at, { itemNo, accepted: fit, damaged = 0, refused: back = 0 }] of found.entries()) {
    const field = `/items/${at}`
    const item = claim.items.find((each) => each.itemNo === itemNo)
    if (item === undefined) return refused('orders.unknown_item', `Claim ${claim.id} is not about item ${itemNo}.`, `${field}/itemNo`)
    if (results.has(itemNo)) return refused('orders.named_twice', `Item ${itemNo} is named twice.`, field)
    if (fit + damaged + back !== item.quantity) {
      return refused(
        'orders.inspection_mismatch',
        `Item ${itemNo} has ${item.quantity} pieces in this claim; accepted, damaged and refused make ${fit + damaged + back}.`,
        field,
        { quantity: item.quantity },
      )
    }
    results.set(itemNo, { ...item, accepted: fit, damaged, refused: back })
  }
  const left = claim.items.find(({ itemNo }) => !results.has(itemNo))
  if (left !== undefined)
    return refused('orders.inspection_mismatch', `Say what became of item ${left.itemNo}, too.`, '/items', { itemNo: left.itemNo })
  return accepted(claim.items.map(({ itemNo }) => results.get(itemNo) as ClaimItem))
}
