import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openWarehousing, type WarehouseWaybill } from './index.ts'

/** Warehousing on databases of a test's own, with waybills that the test makes up. */
export interface WarehousingRig {
  readonly t: TestDatabases
  readonly warehousing: ReturnType<typeof openWarehousing>
  readonly waybills: Map<number, WarehouseWaybill>
  /** Runs one operation for each input, together, by one of four servers whose calls meet in the database only. */
  by(server: number, operation: string, inputs: readonly object[]): Promise<unknown[]>
  one(operation: string, input: object): Promise<unknown>
  /** A waybill that was released, with its sales order; gives both ids. */
  released(quantity?: number): Promise<{ waybillId: number; salesOrderId: number }>
  /** Events of a waybill, as `type state>state`. */
  told(waybillId: number): Promise<string[]>
  broken(): Promise<string[]>
  close(): Promise<void>
}

export const flow = { actor: 'flow:test', commandId: 'test/1' }

export async function openWarehousingRig(): Promise<WarehousingRig> {
  const t = await openTestDatabases()
  const waybills = new Map<number, WarehouseWaybill>()
  const warehousing = openWarehousing({
    findPreparable: async (_scope, ids) =>
      new Map(ids.flatMap((id) => (waybills.has(id) ? [[id, waybills.get(id) as WarehouseWaybill]] : []))),
  })
  const runners: Runner[] = Array.from({ length: 4 }, () =>
    openRunner({
      operations: warehousing.operations,
      databases: t.databases,
      standardLimit: { perSecond: 1_000_000, burst: 1_000_000 },
      nowMs: () => performance.now(),
      log: { error: (facts, message) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`), warn() {}, info() {} },
    }),
  )
  const scopes = [...new Set(warehousing.operations.flatMap((operation) => operation.scopes))]
  const context = { traffic: 'live', rehearsalId: null, actor: { id: 'wms', scopes }, traceId: 'f'.repeat(32) } as const
  const by = async (server: number, operation: string, inputs: readonly object[]) => {
    const outcomes = await (runners[server % runners.length] as Runner).runMany(
      operation,
      inputs.map((input) => ({ context, input })),
    )
    return outcomes.map((outcome) => (outcome.ok ? outcome.value : `${outcome.error.code} ${outcome.error.field ?? ''}`.trim()))
  }
  const database = t.databases.of('warehousing')
  const admin = await t.admin('live')
  let last = 0
  return {
    t,
    warehousing,
    waybills,
    by,
    one: async (operation, input) => (await by(0, operation, [input]))[0],
    async released(quantity = 3) {
      last += 1
      const waybill: WarehouseWaybill = {
        waybillId: last,
        ask: 1,
        orderId: last,
        orderNumber: `A${last}`,
        skuType: 'dry',
        slot: { date: '2026-03-03', code: 'AM' },
        destination: { name: 'Ada', line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' },
        items: [
          { itemNo: 1, sku: 'sku-1', quantity },
          { itemNo: 2, sku: 'sku-2', quantity: 1 },
        ],
      }
      waybills.set(last, waybill)
      await database.write(t.live, (write) => warehousing.makeFromWaybills(write, [{ ...waybill, ...flow }]))
      const found = await database.read(t.live, (read) => warehousing.salesOrdersOfWaybills(read, [waybill.waybillId]))
      return { waybillId: waybill.waybillId, salesOrderId: found.get(waybill.waybillId)?.at(-1)?.salesOrderId ?? 0 }
    },
    async told(waybillId) {
      const { rows } = await admin.query<{ type: string; payload: { from?: string; to?: string; warehouse: string } }>(
        'select type, payload from warehousing.outbox where key = $1 order by id',
        [String(waybillId)],
      )
      return rows.map(({ type, payload: { from, to, warehouse } }) =>
        [type.replace('warehousing.sales_order_', ''), warehouse, ...(to === undefined ? [] : [`${from}>${to}`])].join(' '),
      )
    },
    broken: async () =>
      (await database.survey(t.live, warehousing.check)).flatMap(({ check, breaks }) => (breaks.length > 0 ? [check, ...breaks] : [])),
    async close() {
      for (const runner of runners) await runner.drain()
      await t.close()
    },
  }
}
