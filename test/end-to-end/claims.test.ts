import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goods, orderOf } from '#partners/made-city/index.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { playCityRound } from '../../src/cli/city.ts'

const seed = 12

interface View {
  readonly state: string
  readonly moneyState: string
  readonly parts: { part: number; askedMinor: number; covered: boolean; refundedMinor: number }[]
  readonly sections: { items: { itemNo: number; state: string; quantity: number; part: number }[] }[]
}

describe('goods that come back, over HTTP', () => {
  let whole: Whole
  beforeAll(async () => {
    whole = await openWhole()
  })
  afterAll(() => whole.close())

  const [tea] = goods
  const priceMinor = tea?.priceMinor ?? 0
  const key = () => ({ 'idempotency-key': crypto.randomUUID() })
  const view = async (number: string): Promise<View> => (await whole.call('GET', `/v1/orders/${number}`)).body
  const post = async (path: string, body: object) => {
    const { status, body: answer } = await whole.call('POST', path, body, key())
    expect([path, Math.floor(status / 100), answer.code]).toEqual([path, 2, undefined])
    await whole.drained()
    return answer
  }
  const play = async (): Promise<void> => {
    for (let round = 0; round < 60; round += 1) {
      if ((await playCityRound(whole.core)).length === 0) return
      await whole.drained()
    }
    throw new Error('after sixty rounds there is still something to move')
  }
  /** Three pieces in one row, delivered. */
  const delivered = async (n: number): Promise<{ orderId: number; number: string }> => {
    const [section] = orderOf(n, seed, (at) => whole.city.address(at)).sections
    const items = [{ sku: tea?.sku, quantity: 3, unitPriceMinor: priceMinor }]
    const placed = await post('/v1/orders', {
      ...orderOf(n, seed, (at) => whole.city.address(at)),
      totalMinor: 499 + 3 * priceMinor,
      sections: [{ ...section, items }],
    })
    await play()
    expect(await view(placed.number)).toMatchObject({ state: 'delivered', moneyState: 'captured' })
    return placed
  }
  const claim = async (number: string, kind: string, item: object): Promise<number> => {
    const { claimId } = await post(`/v1/orders/${number}/claims`, {
      kind,
      items: [{ itemNo: 1, quantity: 1, ...item }],
      reason: 'too small',
    })
    await post(`/v1/claims/${claimId}/answer`, { approve: true, reason: 'within 30 days' })
    return claimId
  }
  const comeBack = async (claimId: number): Promise<void> => {
    for (const to of ['pickup_booked', 'in_transit', 'received']) await post(`/v1/claims/${claimId}/moves`, { to })
    await post(`/v1/claims/${claimId}/inspection`, {})
  }

  test('a piece that is returned is refunded to the means that paid', async () => {
    const { number } = await delivered(1)
    await comeBack(await claim(number, 'return', {}))
    expect(await view(number)).toMatchObject({
      state: 'partially_returned',
      moneyState: 'partially_refunded',
      parts: [{ askedMinor: 499 + 2 * priceMinor, refundedMinor: priceMinor }],
    })
  })

  test('a piece in exchange at the same price, and one sent again, are prepared and delivered without further money', async () => {
    const { number } = await delivered(2)
    await comeBack(await claim(number, 'exchange', {}))
    await claim(number, 'reship', {})
    await play()
    const { parts, sections } = await view(number)
    expect(parts.slice(1)).toMatchObject([
      { part: 1000, askedMinor: 0, covered: true },
      { part: 1001, askedMinor: 0, covered: true },
    ])
    expect(sections.slice(1).map(({ items }) => items.map(({ state, quantity }) => [state, quantity]))).toEqual([
      [['delivered', 1]],
      [['delivered', 1]],
    ])
  })

  test('dearer goods in exchange wait for the difference, and paid they are delivered', async () => {
    const { orderId, number } = await delivered(3)
    await comeBack(await claim(number, 'exchange', { replacement: { sku: tea?.sku, unitPriceMinor: priceMinor + 250 } }))
    expect((await view(number)).sections[1]?.items).toMatchObject([{ state: 'pending_payment', part: 1000 }])
    await post('/v1/payments', { orderId, part: 1000, legs: [{ means: 'card', token: 'tok_ok' }] })
    await play()
    const after = await view(number)
    expect(after.sections[1]?.items).toMatchObject([{ state: 'delivered' }])
    expect(after.parts[1]).toMatchObject({ askedMinor: 250, covered: true })
  })

  test('afterwards every check of both traffics is green', async () => {
    for (const traffic of bothTraffics) {
      const results = await whole.core.check(traffic)
      expect(results.flatMap(({ breaks }) => breaks)).toEqual([])
    }
  })
})
