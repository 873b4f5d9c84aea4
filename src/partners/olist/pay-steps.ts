import { type OlistDesk, valueOf } from './desk.ts'
import type { OlistLeg } from './payment-legs.ts'
import { answers, ask, finish, paidBefore, type Run, trouble } from './runs.ts'

/** The acquirer of the country: bank slips, and cards in up to 24 instalments. */
const acquirer = 'meridian'

interface LegView {
  readonly means: string
  readonly state: string
  readonly capturedMinor: number
  readonly refundedMinor: number
  readonly instalments: number
  readonly action: { readonly kind: string; readonly reference?: string } | null
}
interface PaymentView {
  readonly requests: readonly { readonly state: string; readonly legs: readonly LegView[] }[]
}

const paymentOfOrder = {
  operation: 'payments.get',
  inputOf: (run: Run) => ({ orderId: run.orderId }),
  read: (value: unknown): readonly LegView[] => (value as PaymentView).requests.flatMap(({ legs }) => legs),
}

/** Pays orders with the means of the data set. An order with a bank slip is asked again until its customer has paid it in. */
export async function payOrders(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  for (const run of runs) if (paidBefore(run)) finish(run)
  const unpaid = runs.filter((run) => !paidBefore(run))
  const asked = unpaid.filter(({ paying }) => paying)
  await askForMoney(
    desk,
    unpaid.filter(({ paying }) => !paying),
  )
  await payIn(desk, asked)
}

async function askForMoney(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  await fundVouchers(desk, runs)
  const funded = runs.filter((run) => run.funded)
  const outcomes = await ask(desk, 'payments.pay', funded, (run) => ({
    input: { orderId: run.orderId, legs: run.plan.legs.map((leg, index) => legInput(run, leg, index)) },
    // A new round after one that a gateway has forgotten is a command of its own.
    idempotencyKey: `olist-${run.plan.id}-pay${run.failedRounds > 0 ? `-${run.failedRounds}` : ''}`,
  }))
  outcomes.forEach(({ run, outcome }) => {
    // The request follows the order by an event: until it is there, the answer is "not found".
    if (!outcome.ok && outcome.error.code === 'payments.request_not_found') return
    const already = !outcome.ok && ['payments.already_covered', 'payments.in_progress'].includes(outcome.error.code)
    if (!outcome.ok && !already) return trouble(run, 'paying', outcome)
    if (run.plan.legs.some(({ means }) => means === 'transfer')) run.paying = true
    else finish(run)
  })
}

function legInput(run: Run, { means, amountMinor, instalments }: OlistLeg, index: number): object {
  switch (means) {
    case 'card':
      return { means, token: 'tok_ok', amountMinor, ...(instalments === 1 ? {} : { instalments, gateway: acquirer }) }
    case 'transfer':
      return { means, amountMinor, gateway: acquirer }
    case 'voucher':
      return { means, token: voucherOf(run, index), amountMinor }
  }
}

const voucherOf = (run: Run, index: number): string => `olist-${run.plan.id}-${index + 1}`

/** A voucher of the data set comes with its money. One that an earlier run has brought is there for good, its key is not. */
async function fundVouchers(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  const wanted = runs
    .filter((run) => !run.funded)
    .flatMap((run) =>
      run.plan.legs.flatMap(({ means, amountMinor }, index) =>
        means === 'voucher' ? [{ run, holder: voucherOf(run, index), amountMinor }] : [],
      ),
    )
  const account = (holder: string) => ({ means: 'voucher', holder, currency: 'BRL' })
  const known = await ask(
    desk,
    'ledger.get_account',
    wanted.filter(({ run }) => run.known !== null),
    ({ holder }) => ({ input: account(holder) }),
  )
  const there = new Set(known.flatMap(({ run: { holder }, outcome }) => (outcome.ok ? [holder] : [])))
  const outcomes = await ask(
    desk,
    'ledger.credit_account',
    wanted.filter(({ holder }) => !there.has(holder)),
    ({ holder, amountMinor }) => ({
      input: { ...account(holder), amountMinor, source: 'gift', reason: 'voucher of the data set' },
      idempotencyKey: holder,
    }),
  )
  const left = new Set<Run>()
  for (const {
    run: { run },
    outcome,
  } of outcomes) {
    if (outcome.ok) continue
    left.add(run)
    trouble(run, 'funding its voucher', outcome)
  }
  for (const run of runs) if (!left.has(run)) run.funded = true
}

/** What the customer does with a bank slip: he pays at the bank, under its reference. */
async function payIn(desk: OlistDesk, runs: readonly Run[]): Promise<void> {
  for (const { run, answer: legs } of await answers(desk, paymentOfOrder, runs)) {
    const slips = legs.filter(({ means }) => means === 'transfer')
    const failed = slips.filter(({ state }) => state === 'failed').length
    if (slips.length === failed && failed > run.failedRounds) {
      // Its gateway has forgotten it, as the one inside a process does when the process ends.
      run.failedRounds = failed
      run.paying = false
      continue
    }
    const open = slips.flatMap(({ action }) => (action?.kind === 'transfer' && action.reference !== undefined ? [action.reference] : []))
    for (const reference of open) await desk.payIn(reference)
    if (open.length === 0 && slips.some(({ capturedMinor, state }) => capturedMinor > 0 || state === 'authorized')) finish(run)
  }
}

/** What payments and the ledger hold of an order at the end. */
export interface Held {
  /** Means that took money, as `card 2 12990`: means, instalments, minor units. */
  readonly taken: readonly string[]
  readonly keptMinor: number
  /** What the journal says that the order brought in, less what went back. */
  readonly ledgerMinor: number
}

/** By order id; an order for which payments know nothing is left out. */
export async function heldOf(desk: OlistDesk, orderIds: readonly number[]): Promise<Map<number, Held>> {
  const calls = orderIds.map((orderId) => ({ input: { orderId } }))
  const payments = await desk.call('payments.get', calls)
  const journals = await desk.call('ledger.get_order_entries', calls)
  const found = new Map<number, Held>()
  orderIds.forEach((orderId, index) => {
    const payment = payments[index]
    if (!payment?.ok) return
    const legs = paymentOfOrder.read(payment.value).filter(({ capturedMinor }) => capturedMinor > 0)
    const { entries } = valueOf(journals[index], 'ledger.get_order_entries') as {
      entries: { lines: { account: string; amountMinor: number }[] }[]
    }
    const lines = entries.flatMap((entry) => entry.lines).filter(({ account }) => account === 'orders')
    found.set(orderId, {
      taken: legs.map(({ means, instalments, capturedMinor }) => `${means} ${instalments} ${capturedMinor}`).toSorted(),
      keptMinor: legs.reduce((sum, { capturedMinor, refundedMinor }) => sum + capturedMinor - refundedMinor, 0),
      ledgerMinor: lines.reduce((sum, { amountMinor }) => sum - amountMinor, 0),
    })
  })
  return found
}
