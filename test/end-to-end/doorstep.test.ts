import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goods, orderOf } from '#partners/made-city/index.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { playCityRound } from '../../src/cli/city.ts'

const seed = 11

interface TimelineRow {
  readonly level: string
  readonly to: string
  readonly cause: string
  readonly actor: string
}

describe('from checkout to the doorstep, over HTTP', () => {
  let whole: Whole
  let next = 0
  beforeAll(async () => {
    whole = await openWhole()
  })
  afterAll(() => whole.close())

  const order = (changes: object = {}) => ({ ...orderOf((next += 1), seed, (n) => whole.city.address(n)), ...changes })
  const key = () => ({ 'idempotency-key': crypto.randomUUID() })
  const read = async (path: string) => (await whole.call('GET', path)).body
  const place = async (body: object): Promise<{ orderId: number; number: string; totalMinor: number }> => {
    const placed = await whole.call('POST', '/v1/orders', body, key())
    expect([placed.status, placed.body.state]).toEqual([201, 'pending_payment'])
    await whole.drained()
    return placed.body
  }
  /** Lets staff work until nothing moves any more, or until the order stands where it is wanted. */
  const playUntil = async (isThere: () => Promise<boolean> = async () => false): Promise<void> => {
    for (let round = 0; round < 60; round += 1) {
      if (await isThere()) return
      if ((await playCityRound(whole.core)).length === 0) return
      await whole.drained()
    }
    throw new Error('after sixty rounds there is still something to move')
  }
  const stateOf = async (number: string): Promise<string> => (await read(`/v1/orders/${number}`)).state
  /** The order's own states, each with what brought it there. */
  const ownTimeline = async (number: string): Promise<TimelineRow[]> => {
    const { changes } = (await read(`/v1/orders/${number}/timeline`)) as { changes: TimelineRow[] }
    return changes.filter(({ level }) => level === 'order')
  }

  test('an order is paid, split by SKU type into waybills, routed, carried and delivered, and its timeline tells each cause', async () => {
    const [dry, frozen, mixed] = [goods[0], goods[5], goods[8]]
    const items = [dry, frozen, mixed].map(({ sku, priceMinor }) => ({ sku, quantity: 2, unitPriceMinor: priceMinor }))
    const [section] = orderOf(1, seed, (n) => whole.city.address(n)).sections
    const totalMinor = 499 + items.reduce((sum, item) => sum + item.quantity * item.unitPriceMinor, 0)
    const placed = await place(order({ totalMinor, sections: [{ ...section, items }] }))

    expect(await read(`/v1/payments/${placed.orderId}`)).toMatchObject({ capturedMinor: totalMinor, refundedMinor: 0 })
    const { waybills } = await read(`/v1/orders/${placed.orderId}/waybills`)
    expect(waybills.map((waybill: { skuType: string }) => waybill.skuType).toSorted()).toEqual(['dry', 'frozen', 'mixed'])
    expect(new Set(waybills.map((waybill: { state: string }) => waybill.state))).toEqual(new Set(['routed']))
    const { assignments } = await read(`/v1/orders/${placed.orderId}/assignments`)
    expect(assignments).toHaveLength(3)
    for (const assignment of assignments) expect(assignment).toMatchObject({ state: 'assigned', reasonCode: null })
    expect(await stateOf(placed.number)).toBe('allocated')

    await playUntil()
    expect(await read(`/v1/orders/${placed.number}`)).toMatchObject({ state: 'delivered', moneyState: 'captured', attention: [] })
    const timeline = await ownTimeline(placed.number)
    expect(timeline.map(({ to }) => to)).toEqual([...new Set(timeline.map(({ to }) => to))])
    const causes = new Map(timeline.map(({ to, cause, actor }) => [to, { cause, actor }]))
    expect(causes.get('pending_payment')).toEqual({ cause: 'place', actor: 'key:tests' })
    expect(causes.get('paid')).toEqual({ cause: 'cover', actor: 'flow:orders.note_money' })
    const byWaybill = (state: string) => ({ cause: expect.stringMatching(`^waybill \\d+ ${state}$`), actor: 'flow:orders.follow_waybills' })
    expect(causes.get('allocated')).toEqual(byWaybill('routed'))
    expect(causes.get('shipped')).toEqual(byWaybill('loaded'))
    expect(causes.get('delivered')).toEqual(byWaybill('delivered'))
  })

  test('anyone with the link sees the parcel delivered, as a page and as JSON, and nothing of who ordered it', async () => {
    const placed = await place(order())
    await playUntil()
    const { shipments } = await read(`/v1/orders/${placed.orderId}/track`)
    const [{ publicPath }] = shipments
    const page = await fetch(whole.server.url + publicPath)
    const html = await page.text()
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(html).toContain('<h1>Delivered</h1>')
    const json = await fetch(whole.server.url + publicPath.replace('/t/', '/track/'))
    const text = await json.text()
    expect(JSON.parse(text)).toMatchObject({ state: 'delivered', attempt: expect.any(Number) })
    const { destination } = (await read(`/v1/orders/${placed.number}`)).sections[0]
    for (const secret of [destination.name, destination.line1, placed.number, 'resident-']) {
      expect(html).not.toContain(secret)
      expect(text).not.toContain(secret)
    }
    const other = await fetch(`${whole.server.url}/t/${crypto.randomUUID()}`)
    expect(other.status).toBe(404)
  })

  test('cancelled before the warehouse has begun, the money goes back, waybills are called off and their places are free again', async () => {
    const placed = await place(order())
    const mine = key()
    const cancel = () => whole.call('POST', `/v1/orders/${placed.number}/cancel`, { reason: 'changed my mind' }, mine)
    const cancelled = await cancel()
    expect([cancelled.status, cancelled.body.state]).toEqual([200, 'cancelled'])
    await whole.drained()
    expect((await cancel()).body).toEqual(cancelled.body)
    expect(await read(`/v1/orders/${placed.number}`)).toMatchObject({ state: 'cancelled', moneyState: 'refunded' })
    expect(await read(`/v1/payments/${placed.orderId}`)).toMatchObject({
      refundedMinor: placed.totalMinor,
      requests: [{ state: 'cancelled' }],
    })
    const { waybills } = await read(`/v1/orders/${placed.orderId}/waybills`)
    expect(waybills.length).toBeGreaterThan(0)
    for (const waybill of waybills) expect(waybill.state).toBe('cancelled')
    const { assignments } = await read(`/v1/orders/${placed.orderId}/assignments`)
    for (const assignment of assignments) expect(assignment.state).toBe('released')
    expect((await ownTimeline(placed.number)).at(-1)).toMatchObject({ to: 'cancelled', actor: 'key:tests' })
  })

  test('cancelled once it is in the truck, it arrives, and a return is on its way', async () => {
    const placed = await place(order())
    await playUntil(async () => (await stateOf(placed.number)) === 'shipped')
    const cancelled = await whole.call('POST', `/v1/orders/${placed.number}/cancel`, { reason: 'too late' }, key())
    expect([cancelled.status, cancelled.body.claimIds]).toEqual([200, [expect.any(Number)]])
    await playUntil()
    expect(await read(`/v1/orders/${placed.number}`)).toMatchObject({ state: 'delivered', moneyState: 'captured' })
  })

  test('a declined card leaves the order waiting for payment; paid by another card it goes its way', async () => {
    const placed = await place(order({ payment: { legs: [{ means: 'card', token: 'tok_declined_hard' }] } }))
    expect(await read(`/v1/orders/${placed.number}`)).toMatchObject({ state: 'pending_payment', moneyState: 'none' })
    expect(await read(`/v1/payments/${placed.orderId}`)).toMatchObject({ capturedMinor: 0, requests: [{ state: 'open' }] })
    expect(await read(`/v1/orders/${placed.orderId}/waybills`)).toEqual({ waybills: [] })

    const paid = await whole.call('POST', '/v1/payments', { orderId: placed.orderId, legs: [{ means: 'card', token: 'tok_ok' }] }, key())
    expect([paid.status, paid.body.state]).toEqual([202, 'processing'])
    await whole.drained()
    const again = await whole.call('POST', '/v1/payments', { orderId: placed.orderId, legs: [{ means: 'card', token: 'tok_ok' }] }, key())
    expect([again.status, again.body.code]).toEqual([409, 'payments.already_covered'])
    await playUntil()
    expect(await read(`/v1/orders/${placed.number}`)).toMatchObject({ state: 'delivered', moneyState: 'captured' })
  })

  test('a declined card is replaced by an amended plan, and the order goes its way', async () => {
    const placed = await place(order({ payment: { legs: [{ means: 'card', token: 'tok_declined_hard' }] } }))
    const amended = await whole.call(
      'POST',
      `/v1/orders/${placed.number}/amend`,
      { payment: { legs: [{ means: 'card', token: 'tok_ok' }] } },
      key(),
    )
    expect(amended.status).toBe(200)
    await whole.drained()
    expect(await read(`/v1/orders/${placed.number}`)).toMatchObject({ state: 'allocated', moneyState: 'captured' })
  })

  test('an order of two sections goes to two doors', async () => {
    const [first, second] = [order(), order()]
    const placed = await place({
      ...first,
      totalMinor: first.totalMinor + second.totalMinor,
      sections: [...first.sections, ...second.sections],
    })
    await playUntil()
    const view = await read(`/v1/orders/${placed.number}`)
    expect(view.sections.map((section: { sectionNo: number; state: string }) => [section.sectionNo, section.state])).toEqual([
      [1, 'delivered'],
      [2, 'delivered'],
    ])
    const { waybills } = await read(`/v1/orders/${placed.orderId}/waybills`)
    const doors = new Map(
      waybills.map((waybill: { sectionNo: number; destination: { line1: string } }) => [waybill.sectionNo, waybill.destination.line1]),
    )
    expect(doors.get(1)).toBe(first.sections[0]?.destination.line1)
    expect(doors.get(2)).toBe(second.sections[0]?.destination.line1)
  })

  test('five hundred orders of one batch are all delivered', async () => {
    const commands = Array.from({ length: 500 }, (_, index) => ({
      idempotencyKey: `batch-${index}`,
      input: order({ customerId: 'batch' }),
    }))
    const answer = await whole.call('POST', '/v1/orders/batch', { commands })
    const numbers = answer.body.outcomes.map((outcome: { status: number; value: { number: string } }) => outcome.value.number)
    expect(new Set(numbers).size).toBe(500)
    await whole.drained()
    await playUntil()
    const states = new Map<string, number>()
    for (let before: number | null = null; ; ) {
      const page = await read(`/v1/orders?customerId=batch&limit=200${before === null ? '' : `&before=${before}`}`)
      for (const { state, moneyState } of page.orders) states.set(`${state} ${moneyState}`, (states.get(`${state} ${moneyState}`) ?? 0) + 1)
      before = page.next
      if (before === null) break
    }
    expect(Object.fromEntries(states)).toEqual({ 'delivered captured': 500 })
  })

  test('afterwards every check of both traffics is green, and nothing was logged as an error', async () => {
    for (const traffic of bothTraffics) {
      const results = await whole.core.check(traffic)
      expect(results.length).toBeGreaterThan(20)
      expect(results.filter(({ breaks }) => breaks.length > 0)).toEqual([])
    }
    expect(whole.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})
