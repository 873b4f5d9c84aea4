import { setTimeout as delay } from 'node:timers/promises'
import { goods } from '#partners/made-city/index.ts'
import type { MadeCity } from '#routing'
import { type CancelKind, card, type DayOrder, type EditKind } from './day-plan.ts'
import type { Answer, Call } from './patient-client.ts'

/** What the people of the day were told, and what they should never be told. */
export interface DayTold {
  /** Acknowledged orders by key, and the other way round. */
  readonly numbers: Map<string, string>
  readonly byNumber: Map<string, DayOrder>
  /** Acknowledged cancels of whole orders, with nothing left to ask the warehouse or the customer for. */
  readonly cancelled: Set<string>
  /** Orders that wait for their customer, who has left. */
  readonly left: Set<string>
  /** Orders whose customers have answered the page of a gateway, or paid in. */
  readonly acted: Set<number>
  /** Orders whose payment was refused, and which were paid for anew. */
  readonly paidAgain: Map<string, number>
  /** Accepted and refused commands by what they are, such as `edit split` and `edit split: orders.too_late`. */
  readonly counts: Map<string, number>
  readonly strange: string[]
  retries: number
}

export const emptyTold = (): DayTold => ({
  numbers: new Map(),
  byNumber: new Map(),
  cancelled: new Set(),
  left: new Set(),
  acted: new Set(),
  paidAgain: new Map(),
  counts: new Map(),
  strange: [],
  retries: 0,
})

export interface OrderSeen {
  readonly orderId: number
  readonly number: string
  readonly state: string
  readonly moneyState: string
  readonly parts: readonly { part: number; askedMinor: number; covered: boolean }[]
  readonly claims: readonly { claimId: number; state: string }[]
  readonly sections: readonly {
    sectionNo: number
    state: string
    items: readonly {
      itemNo: number
      quantity: number
      state: string
      part: number
      unitPriceMinor: number
      sku: string
      flags: string[]
    }[]
  }[]
}

interface PaymentSeen {
  readonly requests: readonly {
    part: number
    state: string
    unknown: boolean
    legs: readonly {
      state: string
      attempt: string | null
      gateway: string | null
      action: { kind: string; url?: string; reference?: string } | null
    }[]
  }[]
}

/** Answers that a caller may get because somebody else was first; all others of 4xx break the run. */
const fair = new Set([
  'orders.too_late',
  'orders.already_paid',
  'orders.not_paid_yet',
  'orders.not_cancellable',
  'orders.nothing_left',
  'orders.not_claimable',
  'orders.on_hold',
  'payments.already_covered',
  'payments.in_progress',
  'payments.request_not_found',
])

export interface People {
  readonly told: DayTold
  readonly city: MadeCity
  readonly call: Call
  readonly untilAnswered: <Body>(random: () => number, send: () => Promise<Answer<Body>>) => Promise<Answer<Body>>
  /** Where the gateways listen, for slips that are paid in. */
  readonly gatewayUrl: (name: string) => string
  readonly slot: { readonly date: string; readonly code: string }
}

export const countUp = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)

/** Sends one command until it is answered; undefined when it was refused. */
export async function command<Body>(
  people: People,
  order: DayOrder,
  asks: { what: string; method?: string; path: string; body: object; step?: string },
): Promise<Body | undefined> {
  const { told, call, untilAnswered } = people
  const { what, method = 'POST', path, body, step = what } = asks
  const answer = await untilAnswered(order.random, () => call<Body>(method, path, body, `${order.key} ${step}`.replaceAll(' ', '-')))
  if (answer.status >= 200 && answer.status < 300) {
    countUp(told.counts, what)
    return answer.body
  }
  const code = answer.body.code ?? ''
  countUp(told.counts, `${what}: ${answer.status} ${code}`)
  if (!fair.has(code)) told.strange.push(`${order.key} ${what} (${path}): ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`)
  return undefined
}

export async function look(people: People, order: DayOrder, number: string): Promise<OrderSeen | undefined> {
  const answer = await people.untilAnswered(order.random, () => people.call<OrderSeen>('GET', `/v1/orders/${number}`))
  if (answer.status === 200) return answer.body
  people.told.strange.push(`${order.key}: acknowledged order ${number} is answered with ${answer.status}`)
  return undefined
}

const paidWithinMs = 60_000

/** Longer each time: hundreds who look every moment would be a load of their own. */
const wait = (order: DayOrder, turn: number): Promise<void> => delay(Math.min(1_000, 30 * 1.5 ** turn) * (0.5 + order.random()))

/** Looks until money covers the order; undefined when it does not within the time. */
async function untilPaid(people: People, order: DayOrder, number: string): Promise<OrderSeen | undefined> {
  const deadline = performance.now() + paidWithinMs
  for (let turn = 0; ; turn += 1) {
    const seen = await look(people, order, number)
    if (seen === undefined) return undefined
    if (seen.parts.every(({ covered }) => covered) && seen.state !== 'pending_payment') return seen
    if (performance.now() > deadline) return undefined
    await wait(order, turn)
  }
}

async function lookAtMoney(people: People, order: DayOrder, orderId: number): Promise<PaymentSeen | undefined> {
  const answer = await people.untilAnswered(order.random, () => people.call<PaymentSeen>('GET', `/v1/payments/${orderId}`))
  return answer.status === 200 ? answer.body : undefined
}

export interface PlacedOrder {
  readonly number: string
  readonly orderId: number
}

/** Credits and the order itself. */
export async function placeOrder(people: People, order: DayOrder): Promise<PlacedOrder | undefined> {
  const { told } = people
  for (const credit of order.credits)
    await command(people, order, {
      what: `credit ${credit.means}`,
      path: '/v1/ledger/credits',
      body: { ...credit, currency: order.input.currency, source: 'top_up', reason: 'for the day' },
    })
  const placed = await command<PlacedOrder>(people, order, {
    what: `place ${order.pay}`,
    path: '/v1/orders',
    body: order.input,
  })
  if (placed === undefined) {
    told.strange.push(`${order.key} was not placed`)
    return undefined
  }
  const { number } = placed
  told.numbers.set(order.key, number)
  told.byNumber.set(number, order)
  // One in fifty is sent once more by an impatient browser: the same order must come back.
  if (order.random() < 0.02) {
    const again = await command<{ number: string }>(people, order, {
      what: 'double submit',
      step: `place ${order.pay}`,
      path: '/v1/orders',
      body: order.input,
    })
    if (again?.number !== number) told.strange.push(`${order.key} was answered with ${number} and then with ${again?.number}`)
  }
  return placed
}

/** Whatever the people of an order do next. What comes after delivery is `day-claims.ts`. */
export async function followOrder(people: People, order: DayOrder, { number, orderId }: PlacedOrder): Promise<void> {
  const { after } = order
  if (after.kind === 'cancel' && after.early) {
    await cancel(people, order, { number, kind: after.cancel })
    if (after.cancel !== 'order') await customerPays(people, order, orderId)
  } else {
    if (after.kind === 'edit' && after.edit === 'amend') await edit(people, order, { number, kind: after.edit })
    await customerPays(people, order, orderId)
    if (after.kind === 'edit' && after.edit !== 'amend') await edit(people, order, { number, kind: after.edit })
    if (after.kind === 'cancel') {
      await untilPaid(people, order, number)
      await cancel(people, order, { number, kind: after.cancel })
    }
  }
}

/** The page of 3-D Secure, the slip at the bank, and means of payment that are brought later. */
async function customerPays(people: People, order: DayOrder, orderId: number): Promise<void> {
  if (order.answer === 'leave' && ['three_ds', 'transfer', 'late'].includes(order.pay)) {
    people.told.left.add(order.key)
    return
  }
  if (order.pay === 'late') return payFor(people, order, { orderId, part: 0, what: 'pay late' })
  if (order.pay !== 'three_ds' && order.pay !== 'transfer') return
  const deadline = performance.now() + paidWithinMs
  for (let turn = 0; performance.now() < deadline; turn += 1) {
    const seen = await lookAtMoney(people, order, orderId)
    const leg = seen?.requests.flatMap(({ legs }) => legs).find(({ action }) => action !== null)
    if (leg?.action?.kind === 'redirect' && leg.action.url !== undefined) {
      const body = new URLSearchParams({ action: order.answer === 'decline' ? 'decline' : 'approve' })
      await (await fetch(leg.action.url, { method: 'POST', body, redirect: 'manual' })).arrayBuffer()
      people.told.acted.add(orderId)
      return countUp(people.told.counts, `3-D Secure ${order.answer}`)
    }
    if (leg?.action?.kind === 'transfer') {
      const paid = await fetch(`${people.gatewayUrl(leg.gateway ?? 'meridian')}/transfers/${leg.action.reference}/pay`, { method: 'POST' })
      if (paid.status !== 200) people.told.strange.push(`${order.key}: paying in was answered with ${paid.status} ${await paid.text()}`)
      else await paid.arrayBuffer()
      people.told.acted.add(orderId)
      return countUp(people.told.counts, 'transfer paid in')
    }
    if (seen?.requests.some(({ state }) => state === 'open')) return
    await wait(order, turn)
  }
  people.told.left.add(order.key)
  countUp(people.told.counts, `${order.pay}: the customer gave up waiting for a page`)
}

export async function payFor(
  people: People,
  order: DayOrder,
  { orderId, part, what }: { orderId: number; part: number; what: string },
): Promise<void> {
  // Payments hears of an order by event: right after placing it may not know it yet.
  const deadline = performance.now() + paidWithinMs
  for (let turn = 0; performance.now() < deadline; turn += 1) {
    const seen = await lookAtMoney(people, order, orderId)
    if (seen?.requests.some((request) => request.part === part)) {
      await command(people, order, {
        what,
        step: `${what} ${part} ${turn}`,
        path: '/v1/payments',
        body: { orderId, part, ...card('tok_ok') },
      })
      return
    }
    await wait(order, turn)
  }
  people.told.strange.push(`${order.key}: payments never heard of part ${part} of order ${orderId}`)
}

async function cancel(people: People, order: DayOrder, { number, kind }: { number: string; kind: CancelKind }): Promise<void> {
  const [section] = order.input.sections
  const [line] = section?.items ?? []
  const target =
    kind === 'section'
      ? { sectionNo: order.input.sections.length }
      : kind === 'item'
        ? { itemNos: [1] }
        : kind === 'quantity'
          ? { items: [{ itemNo: 1, quantity: Math.max(1, (line?.quantity ?? 1) - 1) }] }
          : {}
  const done = await command<{ state: string; requested: number[]; claimIds: number[] }>(people, order, {
    what: `cancel ${kind}`,
    path: `/v1/orders/${number}/cancel`,
    body: { ...target, reason: 'changed my mind' },
  })
  if (kind === 'order' && done !== undefined && done.requested.length + done.claimIds.length === 0) people.told.cancelled.add(order.key)
  if (done !== undefined && done.requested.length > 0)
    await command(people, order, {
      what: 'answer cancel',
      path: `/v1/orders/${number}/cancel-answers`,
      body: { consent: order.random() < 0.5, reason: 'the warehouse looked' },
    })
}

async function edit(people: People, order: DayOrder, { number, kind }: { number: string; kind: EditKind }): Promise<void> {
  const at = `/v1/orders/${number}`
  const what = `edit ${kind}`
  const [tea] = goods
  switch (kind) {
    case 'amend': {
      const quantity = (order.input.sections[0]?.items[0]?.quantity ?? 1) + 1
      const add = order.random() < 0.5 ? { add: [{ sectionNo: 1, sku: tea.sku, quantity: 1, unitPriceMinor: tea.priceMinor }] } : {}
      await command(people, order, { what, path: `${at}/amend`, body: { items: [{ itemNo: 1, quantity }], ...add } })
      return
    }
    case 'add_items': {
      if ((await untilPaid(people, order, number)) === undefined) return countUp(people.told.counts, `${what}: never paid`)
      await command(people, order, {
        what,
        path: `${at}/items`,
        body: { sectionNo: 1, items: [{ sku: tea.sku, quantity: 2, unitPriceMinor: tea.priceMinor }], payment: card('tok_ok') },
      })
      return
    }
    case 'slot':
      await command(people, order, { what, method: 'PUT', path: `${at}/sections/1/slot`, body: { slot: people.slot } })
      return
    case 'destination': {
      const destination = people.city.address(Math.floor(order.random() * 20_000))
      await command(people, order, { what, method: 'PUT', path: `${at}/sections/1/destination`, body: { destination } })
      return
    }
    case 'split':
    case 'split_and_merge': {
      const [line] = order.input.sections[0]?.items ?? []
      const isWhole = (order.input.sections[0]?.items.length ?? 0) > 1
      if (!isWhole && (line?.quantity ?? 1) < 2) return countUp(people.told.counts, `${what}: nothing to split`)
      const moved = isWhole ? [{ itemNo: 1 }] : [{ itemNo: 1, quantity: 1 }]
      const split = await command<{ sectionNo: number }>(people, order, { what, path: `${at}/sections/1/split`, body: { items: moved } })
      if (split === undefined || kind === 'split') return
      await command(people, order, { what: 'edit merge', path: `${at}/sections/${split.sectionNo}/merge`, body: { into: 1 } })
      return
    }
    case 'hold': {
      await command(people, order, { what, path: `${at}/holds`, body: { reason: 'address to be checked', owner: 'desk' } })
      await delay(order.random() * 500)
      await command(people, order, { what: 'edit release', path: `${at}/releases`, body: { reason: 'address is right' } })
    }
  }
}
