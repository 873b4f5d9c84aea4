import { demoStore, goods, orderOf, seeded } from '#partners/made-city/index.ts'
import type { MadeCity } from '#routing'

/** How an order of the day is paid. */
export type PayKind =
  | 'card'
  | 'soft'
  | 'refused'
  | 'uncertain'
  | 'refund_fault'
  | 'wallet_and_card'
  | 'points_and_card'
  | 'voucher_and_card'
  | 'mixed_fails'
  | 'issuer_instalments'
  | 'own_instalments'
  | 'by_section'
  | 'on_shipment'
  | 'transfer'
  | 'cash'
  | 'three_ds'
  | 'late'

export type EditKind = 'amend' | 'add_items' | 'slot' | 'destination' | 'split' | 'split_and_merge' | 'hold'
export type CancelKind = 'order' | 'section' | 'item' | 'quantity'
export type ClaimKind = 'return' | 'exchange' | 'dearer_exchange' | 'refund_only' | 'reship' | 'refused_return' | 'withdrawn' | 'rejected'

export type After =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'edit'; readonly edit: EditKind }
  /** `early`: at once, racing the payment; else once it is paid. */
  | { readonly kind: 'cancel'; readonly cancel: CancelKind; readonly early: boolean }
  | { readonly kind: 'claim'; readonly claim: ClaimKind }

export interface AccountCredit {
  readonly means: 'wallet' | 'points' | 'voucher'
  readonly holder: string
  readonly amountMinor: number
}

type PlacedInput = ReturnType<typeof orderOf>
type Section = PlacedInput['sections'][number]

/** One order of the day: what is sent, and what its customer, shop and courier do afterwards. */
export interface DayOrder {
  readonly n: number
  readonly key: string
  readonly pay: PayKind
  readonly after: After
  /** Put on the customer's accounts before. */
  readonly credits: readonly AccountCredit[]
  readonly input: Omit<PlacedInput, 'payment' | 'sections'> & { payment?: object; sections: (Section & { payment?: object })[] }
  /** What the customer does on the page of 3-D Secure, or with a bank slip; `leave` leaves the order waiting, by plan. */
  readonly answer: 'approve' | 'decline' | 'leave'
  readonly random: () => number
}

/** Stores of the day beside the demo's, each with a way of its own to choose among the four gateways. */
export const dayStores = [
  demoStore,
  { storeId: 'harbour', name: 'Harbour Goods', prefix: 'HB', currency: demoStore.currency },
  { storeId: 'uptown', name: 'Uptown Grocers', prefix: 'UP', currency: demoStore.currency },
] as const

export const dayMixes = [
  {
    storeId: 'falls',
    mix: {
      strategy: 'ratio',
      gateways: [
        { gateway: 'sandbox', weight: 40 },
        { gateway: 'borealis', weight: 25 },
        { gateway: 'meridian', weight: 20 },
        { gateway: 'cobalt', weight: 15 },
      ],
      failedRefund: 'wallet',
    },
  },
  {
    storeId: 'harbour',
    mix: {
      strategy: 'priority',
      gateways: [{ gateway: 'cobalt' }, { gateway: 'borealis' }, { gateway: 'meridian' }, { gateway: 'sandbox' }],
      failedRefund: 'wallet',
    },
  },
  {
    storeId: 'uptown',
    mix: {
      strategy: 'cheapest',
      gateways: [
        { gateway: 'borealis', feeBasisPoints: 95, feeFixedMinor: 30 },
        { gateway: 'cobalt', feeBasisPoints: 160, feeFixedMinor: 5 },
        { gateway: 'sandbox', feeBasisPoints: 140, feeFixedMinor: 25 },
        { gateway: 'meridian', feeBasisPoints: 399, feeFixedMinor: 39 },
      ],
      failedRefund: 'wallet',
    },
  },
]

/** Shares in 1,000. Soft declines are five in a hundred; the day says what became of them. */
const payShares: readonly (readonly [share: number, kind: PayKind])[] = [
  [560, 'card'],
  [50, 'soft'],
  [20, 'refused'],
  [45, 'uncertain'],
  [20, 'refund_fault'],
  [30, 'wallet_and_card'],
  [20, 'points_and_card'],
  [20, 'voucher_and_card'],
  [10, 'mixed_fails'],
  [20, 'issuer_instalments'],
  [20, 'own_instalments'],
  [35, 'by_section'],
  [40, 'on_shipment'],
  [30, 'transfer'],
  [30, 'cash'],
  [30, 'three_ds'],
  [20, 'late'],
]

const uncertainTokens = ['tok_timeout_after_charge', 'tok_timeout_before_once', 'tok_unreachable_once', 'tok_slow', 'tok_mixed'] as const
const softTokens = [
  'tok_soft_once',
  'tok_declined_soft_at_borealis',
  'tok_declined_soft_at_cobalt',
  'tok_declined_soft_at_sandbox',
] as const
const refundTokens = ['tok_refund_pending', 'tok_refund_timeout', 'tok_refund_failed'] as const
const authorisedTokens = ['tok_ok', 'tok_ok', 'tok_ok', 'tok_capture_timeout', 'tok_void_timeout', 'tok_refund_timeout'] as const
const edits: readonly EditKind[] = ['amend', 'add_items', 'slot', 'destination', 'split', 'split_and_merge', 'hold']
const cancels: readonly CancelKind[] = ['order', 'order', 'section', 'item', 'quantity']
const claims: readonly ClaimKind[] = [
  'return',
  'return',
  'exchange',
  'dearer_exchange',
  'refund_only',
  'reship',
  'refused_return',
  'withdrawn',
  'rejected',
]

const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T

/** The n-th order of a day: the same one for the same seed, whatever happened before it. */
export function dayOrder(n: number, seed: number, city: MadeCity, now: Date): DayOrder {
  // Neighbouring small seeds begin alike in this generator: multiplied, they do not.
  const random = seeded(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(n + 1, 0xc2b2ae35))
  random()
  const after = afterOf(random)
  let left = random() * 1_000
  let pay: PayKind = payShares.find(([share]) => (left -= share) < 0)?.[1] ?? 'card'
  // Only what is not paid yet can be amended.
  if (after.kind === 'edit' && after.edit === 'amend') pay = 'late'
  const key = `day-${seed}-${n}`
  const base = orderOf(n, seed, (at) => city.address(at))
  const { payment: _, sections: usual, ...rest } = base
  const sections: DayOrder['input']['sections'] = usual.map((section) => ({ ...section }))
  const isSectioned = pay === 'by_section' || (after.kind === 'cancel' && after.cancel === 'section') || random() < 0.08
  if (isSectioned) {
    const good = pick(random, goods)
    sections.push({
      destination: city.address(Math.floor(random() * 20_000)),
      shippingMinor: 299,
      items: [{ sku: good.sku, quantity: 1 + Math.floor(random() * 3), unitPriceMinor: good.priceMinor }],
    })
  }
  const totalMinor = sections.reduce((sum, section) => sum + dueOf(section), 0)
  const token = (of: readonly string[]): string => pick(random, of)
  const paid = planOf(pay, { key, totalMinor, random, token, now })
  // A store in ten each for the other ways of choosing; slips go where there is a gateway for them, which all three have.
  const where = random()
  const storeId = where < 0.15 ? 'harbour' : where < 0.3 ? 'uptown' : 'falls'
  const answers = random()
  return {
    n,
    key,
    pay,
    after,
    credits: paid.credits,
    input: {
      ...rest,
      storeId: storeId as typeof demoStore.storeId,
      customerId: key,
      totalMinor,
      ...(paid.plan === undefined ? {} : { payment: paid.plan }),
      sections:
        pay === 'by_section' ? sections.map((section) => ({ ...section, payment: card(token(['tok_ok', 'tok_soft_once'])) })) : sections,
    },
    answer: answers < 0.8 ? 'approve' : answers < 0.9 ? 'decline' : 'leave',
    random,
  }
}

function afterOf(random: () => number): After {
  const what = random()
  if (what < 0.05) return { kind: 'edit', edit: pick(random, edits) }
  if (what < 0.13) return { kind: 'cancel', cancel: pick(random, cancels), early: random() < 0.4 }
  if (what < 0.19) return { kind: 'claim', claim: pick(random, claims) }
  return { kind: 'nothing' }
}

const dueOf = (section: Section): number =>
  section.shippingMinor + section.items.reduce((sum, item) => sum + item.quantity * item.unitPriceMinor, 0)

export const card = (token: string) => ({ legs: [{ means: 'card', token }] })

interface PlanFacts {
  readonly key: string
  readonly totalMinor: number
  readonly random: () => number
  readonly token: (of: readonly string[]) => string
  readonly now: Date
}

function planOf(
  pay: PayKind,
  { key, totalMinor, random, token, now }: PlanFacts,
): { plan?: object | undefined; credits: readonly AccountCredit[] } {
  const share = 1 + Math.floor(totalMinor * (0.1 + random() * 0.6))
  const withAccount = (means: AccountCredit['means'], then: string) => ({
    plan: {
      legs: [
        { means, amountMinor: share, ...(means === 'voucher' ? { token: key } : {}) },
        { means: 'card', token: then },
      ],
    },
    credits: [{ means, holder: key, amountMinor: share }],
  })
  const plain = (plan: object) => ({ plan, credits: [] })
  switch (pay) {
    case 'card':
      return plain(card('tok_ok'))
    case 'soft':
      return plain(card(token(softTokens)))
    case 'refused':
      return plain(card(token(['tok_declined_hard', 'tok_declined_soft'])))
    case 'uncertain':
      return plain(card(token(uncertainTokens)))
    case 'refund_fault':
      return plain(card(token(refundTokens)))
    case 'wallet_and_card':
      return withAccount('wallet', token(authorisedTokens))
    case 'points_and_card':
      return withAccount('points', token(authorisedTokens))
    case 'voucher_and_card':
      return withAccount('voucher', token(authorisedTokens))
    case 'mixed_fails':
      return withAccount('wallet', 'tok_declined_hard')
    case 'issuer_instalments':
      return plain({ legs: [{ means: 'card', token: 'tok_ok', instalments: 3 }] })
    case 'own_instalments':
      return plain({
        settle: 'apart',
        releaseMinor: share,
        legs: [
          { means: 'card', token: 'tok_ok', amountMinor: share },
          { means: 'card', token: 'tok_ok', dueAt: new Date(now.getTime() + 5_000 + random() * 20_000).toISOString() },
        ],
      })
    case 'on_shipment':
      return plain({ capture: 'on_shipment', ...card(token(authorisedTokens)) })
    case 'transfer':
      return plain({ legs: [{ means: 'transfer' }] })
    case 'cash':
      return plain({ legs: [{ means: 'cash_on_delivery' }] })
    case 'three_ds':
      return plain(card('tok_3ds'))
    case 'by_section':
    case 'late':
      return { credits: [] }
  }
}
