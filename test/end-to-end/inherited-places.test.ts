import { afterAll, beforeAll, expect, it } from 'vitest'
import { orderOf } from '#partners/made-city/index.ts'
import { openWhole, type Whole } from '#test/whole.ts'
import { callMany } from '../../src/cli/city.ts'

let whole: Whole
beforeAll(async () => {
  whole = await openWhole()
}, 120_000)
afterAll(() => whole.close())

interface Entry {
  readonly factId: string | null
  readonly code: string
  readonly place: string
  readonly occurredAt: string
  readonly inheritedFrom: string | null
}

it('a scan of what a tote is in stands in the timeline of each parcel in it, marked and stored nowhere, and ends with the delivery', async () => {
  const call = async (method: string, path: string, body?: object, headers?: Record<string, string>) => {
    const answer = await whole.call(method, path, body, headers)
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
    return answer.body
  }
  const placed = await call(
    'POST',
    '/v1/orders',
    orderOf(3, 4, (n) => whole.city.address(n)),
    { 'idempotency-key': 'inherit-1' },
  )
  await whole.drained()
  const { waybills } = await call('GET', `/v1/orders/${placed.orderId}/waybills`)
  const { waybillId } = waybills[0] as { waybillId: number }
  const update = async (to: string) => {
    expect(await callMany(whole.core, 'waybills.update', [{ waybillId, to }])).toMatchObject([{ ok: true }])
    await whole.drained()
  }
  await update('picked')
  for (const code of ['TOTE-1', 'CAGE-1']) await call('POST', '/v1/containers', { code, kind: 'tote', colour: 'grey' })
  await call('POST', '/v1/containers/TOTE-1/contents', { code: 'TOTE-1', waybillId })
  await call('POST', '/v1/containers/TOTE-1/nest', { into: 'CAGE-1' })
  await call('POST', '/v1/containers/CAGE-1/places', { place: 'hub-7' })

  const admin = await whole.t.admin('live')
  const facts = async () => (await admin.query('select count(*)::int as n from tracking.event')).rows[0].n as number
  const before = await facts()
  const timeline = async () => (await call('GET', `/v1/waybills/${waybillId}/track`)).timeline as Entry[]
  const seen = (await timeline()).filter(({ inheritedFrom }) => inheritedFrom !== null)
  expect(seen).toMatchObject([
    { factId: null, code: 'seen', place: 'hub-7', milestone: null, source: 'containers', inheritedFrom: 'CAGE-1' },
  ])
  expect(await facts()).toBe(before)
  const byOrder = await call('GET', `/v1/orders/${placed.orderId}/track`)
  expect(byOrder.shipments.flatMap((shipment: { timeline: Entry[] }) => shipment.timeline)).toContainEqual(seen[0])

  await update('loaded')
  await update('delivered')
  // Nobody has emptied the tote; the parcel is not in it all the same.
  await admin.query(
    `insert into containers.placing (container_id, second, place, actor)
     select id, date_trunc('second', now()) + interval '1 hour', 'far-away', 'test' from containers.container where code = 'CAGE-1'`,
  )
  const all = await timeline()
  expect(all.filter(({ inheritedFrom }) => inheritedFrom !== null).map(({ place }) => place)).toEqual(['hub-7'])
  expect(all.map(({ occurredAt }) => occurredAt)).toEqual(all.map(({ occurredAt }) => occurredAt).toSorted())
  expect(all.at(-1)).toMatchObject({ code: 'delivered', inheritedFrom: null })
  // The open page shows nothing of our totes.
  const { publicPath } = await call('GET', `/v1/waybills/${waybillId}/track`)
  const open = await whole.call('GET', publicPath.replace('/t/', '/track/'))
  expect(JSON.stringify(open.body)).not.toMatch(/hub-7|CAGE/)
})
