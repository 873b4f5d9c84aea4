import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ArchivedRow, openTracking } from '#tracking'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { waybillToTrack } from './waybill-to-track.ts'

let t: TestDatabases
const files = new Map<string, ArchivedRow[]>()
const tracking = openTracking({
  archive: (file, ids) => Promise.resolve(files.get(file)?.filter((row) => ids.includes(row.shipment_id))),
})
const database = () => t.databases.of('tracking')
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

it('a movement of a waybill whose earlier facts are in a file that is missing fails, and counts once the file is there', async () => {
  const [consumer] = waybillToTrack({ tracking, log: { warn: () => undefined } })
  const month = '2025-10-01'
  const event = { schemaVersion: 1, traceId: '', traffic: 'live', rehearsalId: null, occurredAt: new Date(), key: '7' } as const
  const moved = (id: number, to: string, occurredAt: string) => ({
    ...event,
    id,
    type: 'fulfilment.waybill_moved',
    payload: { waybillId: 7, orderId: 1, attempt: 1, to, occurredAt, reason: null, purpose: 'delivery' },
  })
  const handle = (...events: unknown[]) => database().write(t.live, async (context) => consumer?.handle(context, events as never))
  const write = <T>(work: Parameters<ReturnType<typeof database>['write']>[1]) => database().write(t.live, work) as Promise<T>
  await (await t.admin('live')).query('select tracking.open_month($1::date)', [month])
  await handle(
    {
      ...event,
      id: 1,
      type: 'fulfilment.waybills_created',
      payload: { waybillId: 7, orderId: 1, attempt: 1, createdAt: '2025-10-10T08:00:00Z' },
    },
    moved(2, 'out_for_delivery', '2025-10-20T08:00:00Z'),
  )
  await write((context) => tracking.months.begin(context, month))
  await write((context) => tracking.months.seal(context, month, 0))
  await write((context) => tracking.months.detach(context, month))
  const rows = await write<ArchivedRow[]>((context) => tracking.months.takePage(context, month, 0))
  await write((context) => tracking.months.drop(context, month, { file: 'a.parquet', facts: rows.length }))

  const late = moved(3, 'attempt_failed', '2025-10-20T12:00:00Z')
  await expect(handle(late)).rejects.toThrow(/a\.parquet/)
  files.set('a.parquet', rows)
  await handle(late)
  const [found] = await database().read(t.live, (context) => tracking.shipmentsBy(context, 'waybill', [7]))
  expect(found).toMatchObject([{ state: 'attempted' }])
})
