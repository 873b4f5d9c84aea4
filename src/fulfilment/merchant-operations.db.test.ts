import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { merchantOperations, openFulfilment } from './index.ts'

let t: TestDatabases
let runners: Runner[]
const fulfilment = openFulfilment()
const who = { actor: 'system:test', commandId: 'c-1' }
/** What is in which container: the other context, played. */
const held = new Map<string, number[]>()
beforeAll(async () => {
  t = await openTestDatabases()
  runners = [1, 2, 3].map(() =>
    openRunner({
      operations: merchantOperations(async (_scope, scanned) => scanned.map((code) => held.get(code))),
      databases: t.databases,
      standardLimit: { perSecond: 1, burst: 1 },
      limits: new Map([['merchants', { perSecond: 100_000, burst: 100_000 }]]),
      nowMs: () => performance.now(),
      log: { error() {}, warn() {}, info() {} },
    }),
  )
})
afterAll(async () => {
  for (const runner of runners) await runner.drain()
  await t.close()
})

const destination = { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' }
const items = [{ itemNo: 1, sku: 'rice', skuType: 'dry', quantity: 1, weightGrams: 1000, volumeMl: 900 }] as const
let lastOrder = 100
/** A waybill of a merchant in a state on the way to the door. */
async function waybillOf(merchantId: string | null, to: 'routed' | 'released' | 'acknowledged' | 'loaded' = 'released'): Promise<number> {
  lastOrder += 1
  const orderId = lastOrder
  return t.databases.of('fulfilment').write(t.live, async (context) => {
    const sections = [{ sectionNo: 1, destination, slot: null, merchantId, items }]
    const [created] = await fulfilment.createWaybills(context, [{ orderId, number: `A${orderId}`, sections, ...who }])
    const waybillId = created?.ok ? (created.value.waybillIds[0] ?? 0) : 0
    await fulfilment.routeWaybills(context, [{ waybillId, attempt: 1, date: '2026-03-03', slotCode: 'AM', routeId: 7, ...who }])
    await fulfilment.moveWaybills(context, [{ waybillId, to, ...who }])
    return waybillId
  })
}
const run = async (operation: string, inputs: readonly object[], merchant: string | null = 'bakery', server = 0) => {
  const scopes = ['merchants:prepare', ...(merchant === null ? [] : [`merchant:${merchant}`])]
  const context = { traffic: 'live', rehearsalId: null, actor: { id: `key:${merchant}`, scopes }, traceId: 'f'.repeat(32) } as const
  const outcomes = await (runners[server] as Runner).runMany(
    operation,
    inputs.map((input) => ({ context, input })),
  )
  return outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.error))
}
const report = (codes: readonly (number | string)[], to: string, merchant?: string | null, server?: number) =>
  run(
    'waybills.report_prepared',
    codes.map((code) => ({ code: String(code), to })),
    merchant,
    server,
  )
const listed = async (input: object, merchant?: string | null) =>
  (await run('waybills.list_to_prepare', [input], merchant))[0] as { waybills: { waybillId: number }[]; next: number | null }
const moved = (waybillId: number, state: string, changed = true) => ({ waybills: [{ waybillId, state, changed }], left: [] })

it('shows a merchant what waits with it, page by page, and nothing of anybody else, nor whom it goes to', async () => {
  const own = [await waybillOf('lister'), await waybillOf('lister'), await waybillOf('lister')]
  await waybillOf('lister', 'routed')
  await waybillOf('neighbour')
  await waybillOf(null)
  const first = await listed({ limit: 2 }, 'lister')
  expect(first.waybills.map(({ waybillId }) => waybillId)).toEqual(own.slice(0, 2))
  expect(first.next).toBe(own[1])
  expect(await listed({ after: first.next }, 'lister')).toMatchObject({ waybills: [{ waybillId: own[2] }], next: null })
  expect(JSON.stringify(first)).not.toContain('Main St')
  expect(await listed({ state: 'acknowledged' }, 'lister')).toEqual({ waybills: [], next: null })
  // Our own warehouse's waybills are of no merchant; a key that names no merchant must not be taken for it.
  expect(await listed({}, null)).toEqual({ waybills: [], next: null })
  expect(await run('waybills.list_to_prepare', [{ state: 'loaded' }])).toMatchObject([{ code: 'platform.invalid_input', field: '/state' }])
})

it('takes reports singly and in bulk, each with its own outcome, and again without effect', async () => {
  const [a, b, loaded] = [await waybillOf('bakery'), await waybillOf('bakery', 'acknowledged'), await waybillOf('bakery', 'loaded')]
  expect(await report([a, b, a, loaded, 'x y'], 'acknowledged')).toEqual([
    moved(a, 'acknowledged'),
    moved(b, 'acknowledged', false),
    moved(a, 'acknowledged', false),
    moved(loaded, 'loaded', false),
    expect.objectContaining({ code: 'platform.invalid_input', field: '/code' }),
  ])
  expect(await report([a], 'picked')).toEqual([moved(a, 'picked')])
  expect(await report([a], 'loaded')).toMatchObject([{ code: 'platform.invalid_input', field: '/to' }])
  expect(await listed({ state: 'picked' })).toMatchObject({ waybills: [{ waybillId: a }] })
})

it('takes a word about when it will be ready with acknowledged, until it is picked, and refuses one that can not be by its field', async () => {
  const [own, theirs] = [await waybillOf('bakery'), await waybillOf('butcher')]
  const readyAt = new Date(t.clock.now().getTime() + 3_600_000)
  const say = (input: object) => run('waybills.report_prepared', [input])
  const stands = async () => {
    const found = await t.databases.of('fulfilment').read(t.live, (context) => fulfilment.waybillsById(context, [own, theirs]))
    return [own, theirs].map((waybillId) => found.get(waybillId)?.readyAt)
  }
  const told = async () =>
    (
      await (
        await t.admin('live')
      ).query(
        `select payload ->> 'readyAt' as at from fulfilment.outbox where type = 'fulfilment.ready_promised' and key = $1 order by id`,
        [String(own)],
      )
    ).rows.map(({ at }) => at)
  const acknowledged = { code: String(own), to: 'acknowledged', readyAt: readyAt.toISOString() }
  for (let twice = 0; twice < 2; twice += 1) expect(await say(acknowledged)).toEqual([moved(own, 'acknowledged', twice === 0)])
  expect(await say({ ...acknowledged, code: String(theirs) })).toMatchObject([{ code: 'fulfilment.unknown_waybill' }])
  expect(await stands()).toEqual([readyAt, null])
  for (const wrong of [{ readyAt: '2099-01-01T00:00:00Z' }, { to: 'picked' }])
    expect(await say({ ...acknowledged, ...wrong })).toMatchObject([{ field: '/readyAt' }])
  expect(await say({ code: String(own), to: 'picked' })).toEqual([moved(own, 'picked')])
  expect(await stands()).toEqual([null, null])
  // What comes behind is overtaken.
  expect(await say(acknowledged)).toEqual([moved(own, 'picked', false)])
  expect(await told()).toEqual([readyAt.toISOString(), null])
})

it('answers for the waybill of somebody else just as for one that is not there, and leaves it alone', async () => {
  const [butchers, warehouses] = [await waybillOf('butcher'), await waybillOf(null)]
  const missing = 999_999_999
  for (const merchant of ['bakery', null]) {
    const answers = await report([butchers, warehouses, missing], 'picked', merchant)
    expect(answers.map((answer) => JSON.stringify(answer).replace(/\d+/, 'N'))).toEqual(
      answers.map(() => JSON.stringify({ code: 'fulfilment.unknown_waybill', detail: 'there is no waybill N', field: '/code' })),
    )
  }
  const found = await t.databases.of('fulfilment').read(t.live, (context) => fulfilment.waybillsById(context, [butchers, warehouses]))
  expect([...found.values()].map(({ state }) => state)).toEqual(['released', 'released'])
})

it('answers each of a batch for the merchant of its own call, when calls of several merchants meet in one batch', async () => {
  const [mine, theirs] = [await waybillOf('bakery'), await waybillOf('butcher')]
  const answers = await Promise.all([report([mine, theirs], 'picked', 'bakery'), report([mine, theirs], 'picked', 'butcher')])
  expect(answers.flat()).toMatchObject([
    moved(mine, 'picked'),
    { code: 'fulfilment.unknown_waybill' },
    { code: 'fulfilment.unknown_waybill' },
    moved(theirs, 'picked'),
  ])
})

it('moves all own waybills of a scanned container, says which could not be moved, and hides those of others', async () => {
  const [a, b, theirs] = [await waybillOf('bakery'), await waybillOf('bakery'), await waybillOf('butcher')]
  await t.databases
    .of('fulfilment')
    .write(t.live, (context) => fulfilment.moveWaybills(context, [{ waybillId: b, to: 'cancelled', ...who }]))
  held.set('TOTE-1', [a, b, theirs]).set('TOTE-2', [theirs]).set('TOTE-3', []).set('TOTE-4', [b]).set('3374257BF40C0E4000000190', [a])
  const answers = await report(['TOTE-1', 'TOTE-2', 'TOTE-3', 'TOTE-4', 'TOTE-5', '3374257BF40C0E4000000190'], 'picked')
  const nothing = (code: string) => ({
    code: 'fulfilment.unknown_waybill',
    detail: `there is no container ${code} with a waybill to prepare`,
    field: '/code',
  })
  expect(answers).toEqual([
    {
      waybills: [{ waybillId: a, state: 'picked', changed: true }],
      left: [{ waybillId: b, code: 'fulfilment.not_movable', detail: `waybill ${b} is cancelled and cannot become picked` }],
    },
    nothing('TOTE-2'),
    nothing('TOTE-3'),
    expect.objectContaining({ code: 'fulfilment.not_movable' }),
    nothing('TOTE-5'),
    moved(a, 'picked', false),
  ])
})

it('moves each waybill once when three servers take the same 1,000 reports at the same time', async () => {
  const [a, b] = [await waybillOf('bakery'), await waybillOf('bakery')]
  const codes = Array.from({ length: 1_000 }, (_, index) => (index % 2 === 0 ? a : b))
  const answers = await Promise.all([0, 1, 2].map((server) => report(codes, 'picked', 'bakery', server)))
  const changed = (answers.flat() as { waybills: { changed: boolean }[] }[])
    .flatMap(({ waybills }) => waybills)
    .filter((one) => one.changed)
  expect(changed).toHaveLength(2)
  const admin = await t.admin('live')
  const { rows } = await admin.query(`select count(*)::int as n from fulfilment.change_log where root = any($1) and to_state = 'picked'`, [
    [a, b],
  ])
  expect(rows[0].n).toBe(2)
})

it('refuses a report that a hold blocks, as a conflict that names the hold', async () => {
  const waybillId = await waybillOf('bakery', 'routed')
  await t.databases
    .of('fulfilment')
    .write(t.live, (context) =>
      fulfilment.holdWaybills(context, [{ waybillId, kind: 'hold', owner: 'cs', reason: 'fraud?', actor: 'cs', commandId: 'h-1' }]),
    )
  expect(await report([waybillId], 'picked')).toMatchObject([{ code: 'fulfilment.on_hold', facts: { hold: 'hold' } }])
  const reporting = merchantOperations(async () => []).find(({ id }) => id === 'waybills.report_prepared')
  expect(reporting?.errors).toMatchObject({ 'fulfilment.on_hold': 409 })
})
