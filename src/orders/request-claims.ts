import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { largestTotalMinor } from './amend-orders.ts'
import type { Catalogue, Sku } from './catalogue.ts'
import { claimAnswer, type ClaimDecision } from './change-claims.ts'
import { changeNamed } from './change-orders.ts'
import type { ClaimChanged, RequestClaimInput } from './claim-schemas.ts'
import { type ClaimedRow, openClaim } from './open-claim.ts'
import type { Order } from './order.ts'
import { pickRows } from './pick-rows.ts'
import { settle } from './settle.ts'

/** Asks for returns, exchanges, goods again or money; each waits for its answer. */
export async function requestClaims(
  catalogue: Catalogue,
  context: WriteContext,
  asked: readonly Asked<RequestClaimInput>[],
): Promise<Outcome<ClaimChanged>[]> {
  const skuOf = await catalogue.skus(
    context,
    asked.flatMap(({ input }) => input.items.flatMap(({ replacement }) => replacement?.sku ?? [])),
  )
  return changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: `claim ${input.kind}: ${input.reason}`,
      detailed: true,
      decide: (order: Order) => requestClaim(order, input, skuOf),
    }),
    answer: claimAnswer,
  })
}

export function requestClaim(
  order: Order,
  input: Pick<RequestClaimInput, 'kind' | 'reason' | 'items'>,
  skuOf: (name: string) => Sku | undefined,
): Outcome<ClaimDecision> {
  const picked = pickRows(order, input.items, '/items')
  if (!picked.ok) return picked
  let newMinor = 0
  const rows: ClaimedRow[] = []
  for (const [at, row] of picked.value.entries()) {
    const wanted = input.items[at]?.replacement
    if (wanted === undefined) {
      rows.push({ ...row, replacement: null })
      continue
    }
    if (input.kind !== 'exchange') {
      return refused('orders.no_replacement', 'Only an exchange takes other goods instead.', `/items/${at}/replacement`)
    }
    const sku = skuOf(wanted.sku)
    if (sku === undefined) return refused('orders.unknown_sku', `There is no SKU "${wanted.sku}".`, `/items/${at}/replacement/sku`)
    const { skuType, weightGrams, volumeMl } = sku
    const { unitPriceMinor, taxMinor = 0 } = wanted
    newMinor += row.quantity * (unitPriceMinor + taxMinor)
    rows.push({ ...row, replacement: { sku: wanted.sku, skuType, unitPriceMinor, taxMinor, weightGrams, volumeMl } })
  }
  if (order.totalMinor + newMinor > largestTotalMinor) {
    return refused('orders.total_too_large', `An order comes to at most ${largestTotalMinor}.`, '/items')
  }
  const opened = openClaim(order, { kind: input.kind, reason: input.reason, rows })
  if (!opened.ok) return opened
  return accepted({ ...settle(order, opened.value.order), claim: opened.value.claim })
}
