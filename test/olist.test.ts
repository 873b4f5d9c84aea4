import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ticksOf } from '#partners/olist/agenda.ts'
import { type OlistFolder, type OlistOrder, type OlistPayment, type OlistPlace, readOlist } from '#partners/olist/folder.ts'
import { mondayAfter, zonesOf } from '#partners/olist/geography.ts'
import { judge, type Met } from '#partners/olist/judge.ts'
import type { Held } from '#partners/olist/pay-steps.ts'
import { legsOf } from '#partners/olist/payment-legs.ts'
import { type OrderPlan, planOrder, planOrders, skusOf } from '#partners/olist/order-plan.ts'
import { instantOf, minorOf } from '#partners/olist/rows.ts'
import { seeded } from '#partners/made-city/index.ts'
import { type Made, writeOlistFolder } from '#test/olist-folder.ts'

const seed = 97
console.log(`the made data set has seed ${seed}`)
let folder: string
let made: Made[]
let data: OlistFolder

beforeAll(async () => {
  ;({ folder, made } = await writeOlistFolder(seed))
  data = await readOlist(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('reading', () => {
  test('amounts are moved digits, never floats, and what is no amount is none', () => {
    expect(['99.9', '0.29', '1', '19.990', '8.77'].map(minorOf)).toEqual([9990, 29, 100, 1999, 877])
    expect(['', '-1', '1.234', '1e3', '1,5', '.5', 'R$ 1'].map(minorOf)).toEqual(Array.from({ length: 7 }, () => null))
  })

  test('times are Brasília wall-clock times, and a time that does not exist is none', () => {
    expect(instantOf('2017-07-09 21:57:05')).toEqual(new Date('2017-07-10T00:57:05Z'))
    expect(['', '2017-07-09', '2017-13-09 21:57:05'].map(instantOf)).toEqual([null, null, null])
  })

  test('a folder is read whole: orders with their items, payments and customers, quoted commas and quotes included', () => {
    expect(data.orders.map(({ id }) => id)).toEqual(made.map(({ id }) => id))
    expect(data.strayRows).toBe(0)
    expect(data.orders.find(({ customer }) => customer !== null)?.customer?.city).toBe('são joão, "do" norte')
    expect(data.places.has('99998')).toBe(false)
    expect(
      data.orders.every(
        ({ items, payments }, index) => items.length > 0 || made[index]?.reasons.includes('no_items') || payments.length > 0,
      ),
    ).toBe(true)
  })

  test('a folder that lacks a file or a column is refused with its name', async () => {
    const bare = await mkdtemp(join(tmpdir(), 'throughline-olist-bare-'))
    await expect(readOlist(bare)).rejects.toThrow(`there is no customers.csv in ${bare}`)
    await writeFile(join(bare, 'customers.csv'), 'customer_id,customer_city\n')
    await expect(readOlist(bare)).rejects.toThrow(
      'customers.csv has no column customer_unique_id, customer_zip_code_prefix, customer_state',
    )
    await writeFile(
      join(bare, 'customers.csv'),
      'customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state\n"a,b\n',
    )
    await expect(readOlist(bare)).rejects.toThrow('customers.csv can not be read')
    await rm(bare, { recursive: true })
  })
})

describe('planning', () => {
  test('the oddities of every order are found by rule', () => {
    const plans = planOrders(data)
    // What only shows while an order is played is not in its plan.
    const later = new Set<string>(['no_zone', 'cancelled_after_carrier'])
    expect(plans.map(({ id, reasons }) => ({ id, reasons: reasons.map(({ code }) => code).toSorted() }))).toEqual(
      made.map(({ id, reasons }) => ({ id, reasons: reasons.filter((code) => !later.has(code)).toSorted() })),
    )
  })

  test('sections are sellers, lines are products at a price, and all of it adds up to what is due', () => {
    for (const [index, { place }] of planOrders(data).entries()) {
      if (place === null) continue
      const { items } = data.orders[index] as OlistOrder
      expect(place.sections.map(({ merchantId }) => merchantId)).toEqual([...new Set(items.map(({ seller }) => seller))])
      const lines = place.sections.flatMap((section) => section.items)
      expect(lines.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(items.length)
      const shipping = place.sections.reduce((sum, { shippingMinor }) => sum + shippingMinor, 0)
      expect(lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, shipping)).toBe(place.totalMinor)
    }
  })

  test('times of an order never fall, whatever the data set says', () => {
    for (const { steps } of planOrders(data)) {
      const times = steps.map(({ at }) => at.getTime())
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    }
  })

  test('ticks hold every step once, in time order, none longer or larger than asked', () => {
    const plans = planOrders(data)
    const longestMs = 5 * 86_400_000
    const ticks = ticksOf(plans, { longestMs, mostSteps: 20 })
    const done = new Map(plans.map((plan) => [plan, 0]))
    let before = 0
    for (const { from, to, due } of ticks) {
      let steps = 0
      expect(from.getTime()).toBeGreaterThanOrEqual(before)
      expect(to.getTime() - from.getTime()).toBeLessThan(longestMs)
      for (const [plan, until] of due) {
        for (const { at } of plan.steps.slice(done.get(plan) ?? 0, until)) {
          steps += 1
          expect(at >= from && at <= to).toBe(true)
        }
        done.set(plan, until)
      }
      expect(steps).toBeGreaterThan(0)
      expect(steps).toBeLessThanOrEqual(20)
      before = to.getTime()
    }
    expect([...done].every(([plan, until]) => until === plan.steps.length)).toBe(true)
  })

  test('a product without weight and size is an ordinary parcel, one that is only sold is a SKU too', () => {
    const skus = skusOf({ orders: data.orders, products: new Map([...data.products].slice(0, 2)) })
    expect(skus.length).toBe(
      new Set([...[...data.products.keys()].slice(0, 2), ...data.orders.flatMap(({ items }) => items.map(({ product }) => product))]).size,
    )
    const bare = skus.find(({ sku }) => sku === [...data.products.keys()][0])
    expect([bare?.weightGrams, bare?.volumeMl, bare?.name]).toEqual([700, 6_500, 'no category'])
  })
})

describe('means of payment', () => {
  const row = (sequential: number, means: string, amountMinor: number | null, instalments = 1): OlistPayment => ({
    sequential,
    means,
    instalments,
    amountMinor,
  })
  const legs = (rows: readonly OlistPayment[], dueMinor: number) =>
    legsOf(rows, dueMinor).legs.map(({ means, amountMinor, instalments }) => `${means} ${amountMinor} ${instalments}`)
  const codes = (rows: readonly OlistPayment[], dueMinor: number) => legsOf(rows, dueMinor).reasons.map(({ code }) => code)

  test('each row is a leg in the sequence of the rows, cards with their instalments', () => {
    const rows = [row(3, 'boleto', 30), row(1, 'credit_card', 10, 15), row(2, 'voucher', 20), row(4, 'debit_card', 40)]
    expect(legs(rows, 100)).toEqual(['card 10 15', 'voucher 20 1', 'transfer 30 1', 'card 40 1'])
    expect(codes(rows, 100)).toEqual([])
  })

  test('rows of nothing, of no means or of impossible instalments are said, and the order is paid all the same', () => {
    expect(legs([row(1, 'voucher', 0), row(2, 'credit_card', 9, 0)], 9)).toEqual(['card 9 1'])
    expect(codes([row(1, 'voucher', 0), row(2, 'credit_card', 9, 0)], 9)).toEqual(['zero_payment', 'odd_instalments'])
    expect(legs([row(1, 'not_defined', 0)], 9)).toEqual(['card 9 1'])
    expect(codes([row(1, 'not_defined', 0)], 9)).toEqual(['means_not_defined'])
    expect(legs([row(1, 'credit_card', 9, 99)], 9)).toEqual(['card 9 24'])
  })

  test('legs add up to what is due and are twelve at most, whatever the rows say', () => {
    const random = seeded(seed)
    const types = ['credit_card', 'debit_card', 'boleto', 'voucher', 'not_defined', 'pebbles']
    for (let round = 0; round < 500; round += 1) {
      const rows = Array.from({ length: Math.floor(random() * 30) }, (_, index) =>
        row(index + 1, types[Math.floor(random() * types.length)] ?? '', Math.floor(random() * 40) - 1 || null, Math.floor(random() * 30)),
      ).map((each) => ({ ...each, amountMinor: each.amountMinor === null || each.amountMinor < 0 ? null : each.amountMinor }))
      const paidMinor = rows.reduce((sum, { amountMinor }) => sum + (amountMinor ?? 0), 0)
      const dueMinor = random() < 0.5 && paidMinor > 0 ? paidMinor : 1 + Math.floor(random() * 900)
      const made = legsOf(rows, dueMinor).legs
      expect(made.reduce((sum, { amountMinor }) => sum + amountMinor, 0)).toBe(dueMinor)
      expect(made.length).toBeGreaterThan(0)
      expect(made.length).toBeLessThanOrEqual(12)
      expect(made.every(({ amountMinor, instalments }) => amountMinor > 0 && instalments >= 1 && instalments <= 24)).toBe(true)
    }
  })
})

describe('zones', () => {
  /** Inside a box of a ring, half-open as routing asks it. */
  const zonesAt = (features: ReturnType<typeof zonesOf>, { lng, lat }: OlistPlace): string[] =>
    features
      .filter(({ geometry }) =>
        geometry.coordinates.some(([ring]) => {
          const [[west, south] = [0, 0], , [east, north] = [0, 0]] = ring ?? []
          return lng >= west && lng < east && lat >= south && lat < north
        }),
      )
      .map(({ properties }) => properties.code)

  test('every point lies in exactly one zone, that of its state', () => {
    const random = seeded(seed)
    // Three states in bands with jagged borders, so that the tree has to go deep.
    const places = Array.from({ length: 600 }, (_, index): OlistPlace => {
      const [lng, lat] = [-50 + random() * 9, -20 + random() * 5]
      const state = ['XA', 'XB', 'XC'][Math.min(2, Math.max(0, Math.floor((lng + 50 + Math.sin(lat * 9)) / 3)))] ?? 'XA'
      return { prefix: String(index), lat, lng, state }
    })
    const features = zonesOf(places)
    expect(features.map(({ properties }) => properties.code)).toEqual(['BR-XA', 'BR-XB', 'BR-XC'])
    for (const place of places) expect(zonesAt(features, place)).toEqual([`BR-${place.state}`])
  })

  test('two states at one point go to the one with more of them instead of dividing for ever', () => {
    const place = (state: string): OlistPlace => ({ prefix: state, lat: -1.5, lng: -40.5, state })
    expect(zonesOf([place('XB'), place('XA'), place('XB')]).map(({ properties }) => properties.code)).toEqual(['BR-XB'])
    expect(zonesOf([])).toEqual([])
  })

  test('the Monday after an instant is after it and within a week, by the data set’s own clock', () => {
    for (let hour = 0; hour < 24 * 14; hour += 1) {
      const at = new Date(Date.parse('2017-05-01T00:30:00Z') + hour * 3_600_000)
      const monday = new Date(`${mondayAfter(at)}T11:00:00Z`)
      expect(monday.getUTCDay()).toBe(1)
      expect(monday.getTime()).toBeGreaterThan(at.getTime())
      expect(monday.getTime() - at.getTime()).toBeLessThan(7.5 * 86_400_000)
    }
  })
})

describe('judging', () => {
  const order: OlistOrder = {
    id: 'o1',
    customerId: 'c1',
    customer: { person: 'p1', prefix: '1', city: 'town', state: 'AB' },
    status: 'canceled',
    purchasedAt: new Date('2017-01-01T00:00:00Z'),
    approvedAt: new Date('2017-01-02T00:00:00Z'),
    carrierAt: new Date('2017-01-03T00:00:00Z'),
    deliveredAt: null,
    promisedAt: null,
    items: [{ product: 'x', seller: 's', priceMinor: 100, freightMinor: 10, shipBy: null }],
    payments: [{ sequential: 1, means: 'boleto', instalments: 1, amountMinor: 110 }],
  }
  const places = new Map<string, OlistPlace>()
  const plan = planOrder(order, { places })
  /** Held as its plan wants it, kept unless the money is back. */
  const heldFor = (of: OrderPlan, moneyState: string): Held => {
    const keptMinor = moneyState === 'refunded' ? 0 : of.legs.reduce((sum, { amountMinor }) => sum + amountMinor, 0)
    const taken = of.legs.map(({ means, instalments, amountMinor }) => `${means} ${instalments} ${amountMinor}`).toSorted()
    return { taken, keptMinor, ledgerMinor: keptMinor }
  }
  const judged = (of: OrderPlan, state: string, moneyState: string, met: readonly Met[] = []) =>
    judge(of, { standing: { state, moneyState }, held: heldFor(of, moneyState), met })
  const tooLate = [{ kind: 'cancel_too_late', detail: 'Item 1 is shipped' }] as const

  test('a reason excuses the state that it leads to and no other', () => {
    const at = (state: string, moneyState = 'captured') => judged(plan, state, moneyState, tooLate).kind
    expect([at('shipped'), at('delivered'), at('cancelled'), at('shipped', 'refunded')]).toEqual([
      'explained',
      'unexplained',
      'unexplained',
      'unexplained',
    ])
  })

  test('a wrong state, wrong money, a missing order and a trouble are unexplained even where the data is odd', () => {
    const odd = planOrder({ ...order, status: 'shipped', payments: [] }, { places })
    const of = (state: string, moneyState: string) => judged(odd, state, moneyState).kind
    expect([of('shipped', 'captured'), of('paid', 'captured'), of('shipped', 'none')]).toEqual(['explained', 'unexplained', 'unexplained'])
    expect(judge(odd, { standing: null, held: null, met: [] })).toMatchObject({ kind: 'unexplained', problem: 'is not there' })
    const trouble = [{ kind: 'trouble', detail: 'placing was refused' }] as const
    expect(judged(odd, 'shipped', 'captured', trouble).kind).toBe('unexplained')
  })

  test('a cancelled order that was paid must have its money back', () => {
    const paid = planOrder({ ...order, carrierAt: null }, { places })
    const unpaid = planOrder({ ...order, carrierAt: null, approvedAt: null }, { places })
    const kind = (of: typeof paid, moneyState: string) => judged(of, 'cancelled', moneyState).kind
    expect([kind(paid, 'refunded'), kind(paid, 'captured'), kind(unpaid, 'none'), kind(unpaid, 'refunded')]).toEqual([
      'asExpected',
      'unexplained',
      'asExpected',
      'unexplained',
    ])
  })

  test('money that another means took, that is not kept, or that the ledger does not know, is unexplained', () => {
    const right = planOrder({ ...order, status: 'shipped' }, { places })
    const held = heldFor(right, 'captured')
    const kind = (other: Partial<Held>) =>
      judge(right, { standing: { state: 'shipped', moneyState: 'captured' }, held: { ...held, ...other }, met: [] }).kind
    expect(held.taken).toEqual(['transfer 1 110'])
    expect([kind({}), kind({ taken: ['card 1 110'] }), kind({ taken: [] }), kind({ keptMinor: 109 }), kind({ ledgerMinor: 0 })]).toEqual([
      'asExpected',
      'unexplained',
      'unexplained',
      'unexplained',
      'unexplained',
    ])
  })

  test('what could not be placed must not be there', () => {
    const empty = planOrder({ ...order, items: [] }, { places })
    expect(judge(empty, { standing: null, held: null, met: [] }).kind).toBe('explained')
    expect(judged(empty, 'paid', 'captured').kind).toBe('unexplained')
  })
})
