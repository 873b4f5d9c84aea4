import { afterAll, beforeAll, expect, test } from 'vitest'
import { goods, orderOf, seeded } from '#partners/made-city/index.ts'
import { houseScope } from '../../src/check.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { playCityRound } from '../../src/cli/city.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e6))
const orders = 10
const steps = 120

interface Placed {
  readonly orderId: number
  readonly number: string
}

let whole: Whole
beforeAll(async () => {
  whole = await openWhole()
})
afterAll(() => whole.close())

test('whatever people do to orders and waybills at once, items, waybills, shipments and quotas agree in the end', {
  timeout: 720_000,
}, async () => {
  process.stdout.write(`seed ${seed}\n`)
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)]
  const read = async (path: string) => (await whole.call('GET', path)).body
  const codes = new Map<string, number>()
  /** Refusals are fair, since people race with trucks; what breaks on our side is not. */
  const act = async (method: string, path: string, body: object): Promise<void> => {
    const { status, body: answer } = await whole.call(method, path, body, { 'idempotency-key': crypto.randomUUID() })
    expect([path, status < 500, answer], `seed ${seed}`).toEqual([path, true, expect.anything()])
    const code = `${path.replaceAll(/TL-[\w-]+|\d+/g, '*')} ${status} ${answer.code ?? ''}`
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  const placed: Placed[] = []
  const [tea, , , , , peas] = goods
  for (let n = 1; n <= orders; n += 1) {
    const made = orderOf(n, seed, (at) => whole.city.address(at))
    const items = [tea, peas, tea].map((sku) => ({ sku: sku?.sku, quantity: 3, unitPriceMinor: sku?.priceMinor ?? 0 }))
    const totalMinor = 499 + items.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0)
    const { body } = await whole.call(
      'POST',
      '/v1/orders',
      { ...made, totalMinor, sections: [{ ...made.sections[0], items }] },
      { 'idempotency-key': `o-${n}` },
    )
    placed.push(body)
  }
  await whole.drained()

  const waybillOf = async ({ orderId }: Placed): Promise<number> =>
    pick((await read(`/v1/orders/${orderId}/waybills`)).waybills as { waybillId: number }[])?.waybillId ?? 0
  const slotFor = async (n: number) => {
    const { lat, lng } = whole.city.address(n)
    return pick((await read(`/v1/slots/availability?lat=${lat}&lng=${lng}&skuType=dry&days=7`)).slots as { date: string; code: string }[])
  }
  const sectionOf = async ({ number }: Placed) =>
    pick(
      (await read(`/v1/orders/${number}`)).sections as {
        sectionNo: number
        destination: object
        items: { itemNo: number; quantity: number }[]
      }[],
    )
  const acts: Readonly<Record<string, (order: Placed, n: number) => Promise<void>>> = {
    hold: async (order) => {
      const kind = pick(['hold', 'address_unclear', 'goods_missing', 'recipient_unreachable'])
      const expiresAt = random() < 0.5 ? new Date(Date.now() + 300).toISOString() : null
      await act('POST', `/v1/waybills/${await waybillOf(order)}/hold`, { kind, expiresAt, reason: 'look at it' })
    },
    release: async (order) => act('POST', `/v1/waybills/${await waybillOf(order)}/release-hold`, { reason: 'looked at' }),
    reschedule: async (order, n) => {
      const slot = random() < 0.3 ? null : await slotFor(n)
      const { date, code } = slot ?? { date: '', code: '' }
      await act('POST', `/v1/waybills/${await waybillOf(order)}/reschedule`, {
        slot: slot ? { date, code } : null,
        reason: 'customer called',
      })
    },
    destination: async (order, n) => {
      const section = await sectionOf(order)
      const destination = { ...section?.destination, line1: `${n} Other St` }
      await act('PUT', `/v1/orders/${order.number}/sections/${section?.sectionNo ?? 1}/destination`, { destination })
    },
    slot: async (order, n) => {
      const { date, code } = (await slotFor(n)) ?? { date: '2026-01-01', code: 'AM' }
      await act('PUT', `/v1/orders/${order.number}/sections/${(await sectionOf(order))?.sectionNo ?? 1}/slot`, { slot: { date, code } })
    },
    split: async (order) => {
      const section = await sectionOf(order)
      const item = pick(section?.items ?? [])
      if (section === undefined || item === undefined) return
      const quantity = Math.max(1, Math.floor(random() * item.quantity))
      await act('POST', `/v1/orders/${order.number}/sections/${section.sectionNo}/split`, { items: [{ itemNo: item.itemNo, quantity }] })
    },
    merge: async (order) => {
      const [one, other] = [await sectionOf(order), await sectionOf(order)]
      if (one === undefined || other === undefined || one.sectionNo === other.sectionNo) return
      await act('POST', `/v1/orders/${order.number}/sections/${one.sectionNo}/merge`, { into: other.sectionNo, takeOver: true })
    },
    cancel: async (order) => {
      const item = pick((await sectionOf(order))?.items ?? [])
      if (item === undefined) return
      await act('POST', `/v1/orders/${order.number}/cancel`, { items: [{ itemNo: item.itemNo, quantity: 1 }], reason: 'too many' })
    },
    bringBack: async (order) => {
      const item = pick((await sectionOf(order))?.items ?? [])
      if (item === undefined) return
      const asked = await whole.call(
        'POST',
        `/v1/orders/${order.number}/claims`,
        { kind: pick(['return', 'reship', 'exchange']), items: [{ itemNo: item.itemNo, quantity: 1 }], reason: 'too small' },
        { 'idempotency-key': crypto.randomUUID() },
      )
      if (asked.status !== 201) return
      const { claimId } = asked.body
      await act('POST', `/v1/claims/${claimId}/answer`, { approve: true, reason: 'fine' })
      await act('POST', `/v1/claims/${claimId}/moves`, { to: 'pickup_booked' })
      if (random() < 0.3) await act('POST', `/v1/claims/${claimId}/withdrawal`, { reason: 'keeps it' })
    },
  }
  const expire = () =>
    whole.core.databases.of('fulfilment').write(houseScope('live'), (context) => whole.core.fulfilment.expireHolds(context))

  for (let step = 0; step < steps; step += 1) {
    const n = 1 + Math.floor(random() * orders)
    const doing = pick(Object.values(acts))
    const order = placed[n - 1] as Placed
    // Acts and trucks meet as they do: without waiting for what follows from either.
    await Promise.all([doing?.(order, n), ...(random() < 0.1 ? [playCityRound(whole.core)] : []), expire()])
    if (random() < 0.3) await whole.drained()
  }
  await whole.drained()
  for (const { orderId } of placed) {
    const { waybills } = await read(`/v1/orders/${orderId}/waybills`)
    for (const { waybillId } of waybills) await act('POST', `/v1/waybills/${waybillId}/release-hold`, { reason: 'the day is over' })
  }
  await whole.drained()
  for (let round = 0; round < 60 && (await playCityRound(whole.core)).length > 0; round += 1) await whole.drained()
  const breaks = (await whole.core.check('live')).flatMap(({ check, breaks: found }) => found.map((each) => `${check}: ${each}`))
  expect(breaks, `seed ${seed}: ${[...codes].map(([code, times]) => `${code} x${times}`).join('; ')}`).toEqual([])
  expect(whole.logged.filter(({ level }) => level === 'error')).toEqual([])
})
