import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { orderOf } from '#partners/made-city/index.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { limitsOf } from '../../src/core.ts'

const seed = 31

describe('a merchant prepares its waybills, over HTTP', () => {
  let whole: Whole
  let bakery = ''
  beforeAll(async () => {
    whole = await openWhole()
    await whole.call('PUT', '/v1/merchants/bakery', { name: 'Bakery' })
    await whole.call('PUT', '/v1/merchants/butcher', { name: 'Butcher' })
    bakery = await keyOf('bakery', 'tablet')
  })
  afterAll(() => whole.close())

  const keyOf = async (merchantId: string, name: string): Promise<string> =>
    (await whole.call('POST', `/v1/merchants/${merchantId}/keys`, { name })).body.key
  const as = (key: string) => ({ authorization: `Bearer ${key}` })
  /** As the bakery's people, who wait when they are told to. */
  const asked = async (method: string, path: string, body?: unknown, key = bakery) => {
    for (;;) {
      const answer = await whole.call(method, path, body, as(key))
      if (answer.status !== 429) return answer
      const until = performance.now() + Number(answer.headers.get('retry-after')) * 1000
      await untilTrue(async () => performance.now() >= until, 5_000, 'time to come again')
    }
  }
  /** Places a paid order at a merchant and gives the waybills that wait with it. */
  const released = async (n: number, merchantId: string): Promise<number[]> => {
    const order = orderOf(n, seed, (at) => whole.city.address(at))
    const sections = order.sections.map((section) => ({ ...section, merchantId }))
    const placed = await whole.call('POST', '/v1/orders', { ...order, sections }, { 'idempotency-key': crypto.randomUUID() })
    await whole.drained()
    const { body } = await whole.call('GET', `/v1/orders/${placed.body.orderId}/waybills`)
    const ids = (body.waybills as { waybillId: number }[]).map(({ waybillId }) => waybillId)
    await whole.call('POST', '/v1/waybills/updates', { commands: ids.map((waybillId) => ({ input: { waybillId, to: 'released' } })) })
    return ids
  }

  test('it sees its own, acknowledges in bulk, packs into a tote that it picks by scan, and others do not exist for it', {
    timeout: 180_000,
  }, async () => {
    const own = await released(1, 'bakery')
    const [theirs = 0] = await released(2, 'butcher')
    const list = await asked('GET', '/v1/merchant/waybills')
    expect(list.body.waybills.map((waybill: { waybillId: number }) => waybill.waybillId)).toEqual(own)
    const commands = [...own, theirs].map((waybillId) => ({ input: { code: String(waybillId), to: 'acknowledged' } }))
    const bulk = await asked('POST', '/v1/merchant/waybills/reports', { commands })
    expect(bulk.body.outcomes.map((outcome: { status: number }) => outcome.status)).toEqual([...own.map(() => 200), 404])

    await whole.call('POST', '/v1/containers', {
      code: 'TOTE-77',
      kind: 'tote',
      colour: 'red',
      epc: 'urn:epc:tag:grai-96:0.0614141.12345.77',
    })
    for (const waybillId of [...own, theirs])
      expect((await whole.call('POST', '/v1/containers/TOTE-77/contents', { waybillId })).body).toMatchObject({ changed: true })
    expect((await whole.call('POST', '/v1/containers/TOTE-77/contents', { waybillId: 987_654 })).status).toBe(404)
    const scanned = await asked('POST', '/v1/merchant/waybills/TOTE-77/reports', { to: 'picked' })
    expect(scanned.body).toEqual({ waybills: own.map((waybillId) => ({ waybillId, state: 'picked', changed: true })), left: [] })
    expect((await whole.call('GET', `/v1/waybills/${theirs}`)).body.waybill.state).toBe('released')

    const foreign = await asked('POST', `/v1/merchant/waybills/${theirs}/reports`, { to: 'picked' })
    const missing = await asked('POST', '/v1/merchant/waybills/987654/reports', { to: 'picked' })
    const shape = ({ status, body }: typeof foreign) => ({ status, code: body.code, detail: body.detail.replace(/\d+/, 'N') })
    expect(shape(foreign)).toEqual(shape(missing))
    expect(shape(foreign)).toMatchObject({ status: 404, code: 'fulfilment.unknown_waybill' })
    expect((await whole.call('GET', `/v1/waybills/${own[0]}`, undefined, as(bakery))).status).toBe(403)
    await whole.drained()
    expect((await whole.core.check('live')).filter(({ breaks }) => breaks.length > 0)).toEqual([])
  })

  test('a flood of its calls is answered 429 with the time to come again, from all of its keys together, and waybill updates go on', async () => {
    const [own = 0] = await released(3, 'butcher')
    const keys = await Promise.all([1, 2].map((n) => keyOf('butcher', `phone-${n}`)))
    const from = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => whole.call('GET', '/v1/merchant/waybills', undefined, as(keys[n % 2] as string))),
    )
    // Four at once, and two for each second that the calls took.
    const mostLetIn = 4 + Math.ceil(2 * ((performance.now() - from) / 1000))
    const limited = answers.filter(({ status }) => status === 429)
    const letIn = answers.filter(({ status }) => status === 200)
    expect(letIn.length + limited.length).toBe(40)
    expect(letIn.length).toBeGreaterThanOrEqual(4)
    expect(letIn.length).toBeLessThanOrEqual(mostLetIn)
    expect(limited.every(({ headers }) => Number(headers.get('retry-after')) >= 1)).toBe(true)
    const commands = Array.from({ length: 50 }, () => ({ input: { code: String(own), to: 'acknowledged' } }))
    const inBulk = async () => whole.call('POST', '/v1/merchant/waybills/reports', { commands }, as(keys[0] as string))
    await untilTrue(async () => (await inBulk()).status === 200, 5_000, 'a bulk of fifty to count as one call')
    const bulks = await Promise.all(Array.from({ length: 20 }, inBulk))
    expect(bulks.find(({ status }) => status === 429)?.headers.get('retry-after')).toBe('1')
    expect((await whole.call('POST', `/v1/waybills/${own}/updates`, { to: 'picked' })).status).toBe(200)
  })
})

test('a rate in LIMITS holds for the merchants, and one that names nothing stops the start', async () => {
  const whole = await openWhole({ LIMITS: 'merchants=1/1' })
  try {
    await whole.call('PUT', '/v1/merchants/bakery', { name: 'Bakery' })
    const { key } = (await whole.call('POST', '/v1/merchants/bakery/keys', { name: 'tablet' })).body
    const headers = { authorization: `Bearer ${key}` }
    const from = performance.now()
    const statuses = await Promise.all(
      Array.from({ length: 10 }, async () => (await whole.call('GET', '/v1/merchant', undefined, headers)).status),
    )
    const letIn = statuses.filter((status) => status === 200).length
    expect(letIn).toBeGreaterThanOrEqual(1)
    expect(letIn).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - from) / 1000))
    expect(statuses.filter((status) => status === 429).length).toBe(10 - letIn)
    expect((await whole.call('DELETE', '/v1/merchants/bakery/keys/tablet')).body).toMatchObject({ changed: true })
    expect(() => limitsOf({ limits: 'merchant=1/1' }, whole.core.runner.operations)).toThrow('LIMITS names merchant')
  } finally {
    await whole.close()
  }
})
