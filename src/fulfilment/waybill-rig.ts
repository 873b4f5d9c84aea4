import type { Outcome } from '#kernel/outcome.ts'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import { statement } from '#platform/database.ts'
import { openTestDatabases } from '#test/databases.ts'
import { type CreateWaybills, type MakeWaybill, openFulfilment, type PaidSection, type StoredWaybill } from './index.ts'

export const who = { actor: 'system:test', commandId: 'c-1' }
export const home = { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA', lat: 43.1, lng: -79.1 }
export const elsewhere = { ...home, line1: '2 Side St', lat: 43.2 }
export const morning = { date: '2026-03-03', code: 'AM' }
export const evening = { date: '2026-03-03', code: 'PM' }

export const goods = (itemNo: number, quantity = 1) => ({
  itemNo,
  sku: `sku-${itemNo}`,
  quantity,
  weightGrams: 1000 * quantity,
  volumeMl: 900 * quantity,
})
export const dry = (itemNo: number, quantity = 1) => ({ ...goods(itemNo, quantity), skuType: 'dry' as const })
export const sectionOf = (sectionNo: number, items: PaidSection['items']): PaidSection => ({
  sectionNo,
  destination: home,
  slot: morning,
  merchantId: null,
  items,
})

export interface Told {
  readonly type: string
  readonly payload: Record<string, unknown>
}

const outbox = statement<Told>(
  'test.outbox',
  `select type, payload from fulfilment.outbox where (payload ->> 'waybillId')::bigint = any($1::bigint[]) order by id`,
)

/** The value of an outcome that must be one. */
export function valueOf<T>(outcome: Outcome<T> | undefined): T {
  if (outcome?.ok) return outcome.value
  throw new Error(outcome === undefined ? 'no outcome' : `${outcome.error.code}: ${outcome.error.detail}`)
}

export const codesOf = (outcomes: readonly Outcome<unknown>[]): string[] =>
  outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error.code))

/** Fulfilment on a database of the test's own, with short ways to bring a waybill where a test needs it. */
export async function openWaybillRig() {
  const t = await openTestDatabases()
  const fulfilment = openFulfilment()
  const database = t.databases.of('fulfilment')
  const write = <T>(work: (context: WriteContext) => Promise<T>): Promise<T> => database.write(t.live, work)
  const read = <T>(work: (context: ReadContext) => Promise<T>): Promise<T> => database.read(t.live, work)
  let lastOrder = 0
  const route = (waybillId: number, attempt = 1) => ({
    waybillId,
    attempt,
    date: '2026-03-03',
    slotCode: 'AM',
    routeId: 7,
    cutOffAt: new Date('2026-03-02T20:00:00Z'),
    ...who,
  })
  const waybillsOf = async (orderId: number): Promise<StoredWaybill[]> =>
    (await read((context) => fulfilment.waybillsOfOrders(context, [orderId]))).get(orderId) ?? []
  return {
    t,
    fulfilment,
    write,
    read,
    route,
    waybillsOf,
    newOrder: (): number => {
      lastOrder += 1
      return lastOrder
    },
    paid: async (command: Pick<CreateWaybills, 'orderId' | 'sections'> & Partial<CreateWaybills>): Promise<number[]> => {
      const [outcome] = await write((context) =>
        fulfilment.createWaybills(context, [{ number: `A${command.orderId}`, ...who, ...command }]),
      )
      return [...valueOf(outcome).waybillIds]
    },
    routed: (waybillId: number, ask = 1) => write((context) => fulfilment.routeWaybills(context, [route(waybillId, ask)])),
    moved: (waybillId: number, ...states: StoredWaybill['state'][]) =>
      write((context) =>
        fulfilment.moveWaybills(
          context,
          states.map((to) => ({ waybillId, to, ...who })),
        ),
      ),
    one: async (orderId: number, waybillId: number): Promise<StoredWaybill> => {
      const found = (await waybillsOf(orderId)).find((waybill) => waybill.waybillId === waybillId)
      if (found === undefined) throw new Error(`order ${orderId} has no waybill ${waybillId}`)
      return found
    },
    told: (...waybillIds: number[]): Promise<Told[]> => read((context) => context.query(outbox, [waybillIds])),
    made: (orderId: number, reference: string, change: Partial<MakeWaybill> = {}): MakeWaybill => ({
      orderId,
      orderNumber: `A${orderId}`,
      sectionNo: 1,
      skuType: 'dry',
      merchant: '',
      purpose: 'delivery',
      originId: null,
      destination: home,
      slot: morning,
      items: [goods(1)],
      madeBy: 'wms',
      reference,
      ...who,
      ...change,
    }),
    history: async (waybillId: number): Promise<string[]> => {
      const admin = await t.admin('live')
      const { rows } = await admin.query(
        'select level, from_state, to_state, cause from fulfilment.change_log where root = $1 order by sequence, position',
        [waybillId],
      )
      return rows.map((row) => `${row.level} ${row.from_state}>${row.to_state} (${row.cause})`)
    },
    broken: async () => (await read((context) => fulfilment.check(context))).filter((report) => report.broken > 0),
    close: () => t.close(),
  }
}

export type WaybillRig = Awaited<ReturnType<typeof openWaybillRig>>
