import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { playOlist, readOlist, type Verdict } from '#partners/olist/index.ts'
import { type Made, writeOlistFolder } from '#test/olist-folder.ts'
import { openOlistHouse, type OlistHouse } from '#test/olist-house.ts'
import { deskOf, importOlist, summaryOf } from '../src/cli/import.ts'

const seed = 41
console.log(`the made data set has seed ${seed}`)
let folder: string
let made: Made[]

beforeAll(async () => {
  ;({ folder, made } = await writeOlistFolder(seed, 2))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const told = (verdicts: readonly Verdict[]) =>
  verdicts.map(({ id, kind, reasons, problem }) => ({ id, kind, reasons: reasons.map(({ code }) => code).toSorted(), problem }))
const wanted = () => made.map(({ id, kind, reasons }) => ({ id, kind, reasons: reasons.toSorted(), problem: null }))

const importAndCheck = (house: OlistHouse): Promise<Verdict[]> =>
  house.withCore(async (core, clock) => {
    const { verdicts } = await importOlist({ core, clock, bank: house.bank, folder })
    expect((await core.check('live')).flatMap(({ breaks }) => breaks)).toEqual([])
    return verdicts
  })

describe('a folder that was imported', () => {
  let house: OlistHouse
  let verdicts: Verdict[]

  beforeAll(async () => {
    house = await openOlistHouse()
    verdicts = await importAndCheck(house)
  })
  afterAll(() => house.close())

  test('has gone through whole, each order ends as it should or with its reason', () => {
    expect(told(verdicts)).toEqual(wanted())
  })

  test('keeps the instants of the road, and money to the cent', async () => {
    const data = await readOlist(folder)
    const admin = await house.t.admin('live')
    const { rows } = await admin.query<{ customer_id: string; total_minor: string; moved_at: Date; created_at: Date; placed_at: Date }>(
      `select o.customer_id, o.total_minor, o.placed_at, w.moved_at, w.created_at
       from orders.orders o join fulfilment.waybill w on w.order_id = o.id where w.state = 'delivered'`,
    )
    const ordinary = new Map(
      // Reversed: an order that came with the customer id of an earlier one was not placed.
      data.orders.toReversed().flatMap((order) => {
        const { approvedAt, carrierAt, deliveredAt, purchasedAt } = order
        if (!purchasedAt || !approvedAt || !carrierAt || !deliveredAt) return []
        const inOrder = purchasedAt <= approvedAt && approvedAt <= carrierAt && carrierAt <= deliveredAt
        return inOrder ? [[order.customerId, { order, purchasedAt, carrierAt, deliveredAt }] as const] : []
      }),
    )
    let compared = 0
    for (const row of rows) {
      const known = ordinary.get(row.customer_id)
      if (known === undefined) continue
      compared += 1
      expect(row.moved_at).toEqual(known.deliveredAt)
      expect(row.created_at.getTime()).toBeLessThanOrEqual(known.carrierAt.getTime())
      expect(Math.abs(row.placed_at.getTime() - known.purchasedAt.getTime())).toBeLessThan(7 * 86_400_000)
      const dueMinor = known.order.items.reduce((sum, { priceMinor, freightMinor }) => sum + (priceMinor ?? 0) + (freightMinor ?? 0), 0)
      expect(Number(row.total_minor)).toBe(dueMinor)
    }
    expect(compared).toBeGreaterThan(5)
  })

  test('is told the same by a second import, which changes not one row', async () => {
    const before = await house.contents()
    expect(told(await importAndCheck(house))).toEqual(wanted())
    expect(await house.contents()).toEqual(before)
  })

  test('is not doubled when the idempotency keys of the first import are gone', async () => {
    const admin = await house.t.admin('live')
    await admin.query('delete from orders.idempotency; delete from payments.idempotency')
    const { 'orders.idempotency': _, ...before } = await house.contents()
    expect(told(await importAndCheck(house))).toEqual(wanted())
    // A late cancel is asked again, under its key, and finds its return open: nothing but the key is new.
    const { 'orders.idempotency': keys, ...after } = await house.contents()
    expect(keys).toMatch(/^6 /)
    expect(after).toEqual(before)
  })
})

test('an import that broke off is finished by the next, wherever it broke off', async () => {
  const house = await openOlistHouse()
  try {
    const data = await readOlist(folder)
    for (let time = 1; time <= 3; time += 1) {
      await house.withCore(async (core, clock) => {
        const desk = deskOf(core, clock, house.bank)
        let callsLeft = 30
        const breaking = {
          ...desk,
          call: (...asked: Parameters<typeof desk.call>) => {
            callsLeft -= 1
            if (callsLeft < 0) throw new Error('broken off')
            return desk.call(...asked)
          },
        }
        await expect(playOlist(data, { desk: breaking })).rejects.toThrow('broken off')
      })
    }
    expect(told(await importAndCheck(house))).toEqual(wanted())
  } finally {
    await house.close()
  }
}, 360_000)

test('an import that breaks off before a customer pays in is finished, also at a gateway that has forgotten the bank slip', async () => {
  for (const forgets of [false, true]) {
    const house = await openOlistHouse()
    try {
      const data = await readOlist(folder)
      await house.withCore(async (core, clock) => {
        const payIn = () => Promise.reject(new Error('broken off'))
        await expect(playOlist(data, { desk: { ...deskOf(core, clock, house.bank), payIn } })).rejects.toThrow('broken off')
      })
      if (forgets) house.forget()
      expect(told(await importAndCheck(house))).toEqual(wanted())
    } finally {
      await house.close()
    }
  }
}, 360_000)

test('a summary counts every order once', () => {
  const verdict = { id: '', status: '', reasons: [], problem: null }
  const verdicts = [
    { ...verdict, kind: 'asExpected' },
    { ...verdict, kind: 'explained' },
    { ...verdict, kind: 'explained' },
  ] as const
  expect(summaryOf(verdicts)).toEqual({ orders: 3, asExpected: 1, explained: 2, unexplained: 0 })
})
