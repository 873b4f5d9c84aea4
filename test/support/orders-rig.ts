import { openOrders, type Orders, type PaymentFact } from '#orders'
import type { Outcome } from '#kernel/outcome.ts'
import type { PaymentSums, PaymentsMoved } from '#payments'
import type { Scope, WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

type Told = { [T in PaymentFact['type']]: Pick<Extract<PaymentFact, { type: T }>, 'type' | 'event'> }[PaymentFact['type']]

/** An order as a storefront places it; two lines, one section. */
export interface SomeOrder {
  [field: string]: unknown
}

export interface SeenOrder {
  readonly orderId: number
  readonly number: string
  readonly state: string
  readonly moneyState: string
  readonly totalMinor: number
  readonly attention: string[]
  readonly sections: {
    sectionNo: number
    state: string
    shippingMinor: number
    items: { itemNo: number; sku: string; quantity: number; state: string }[]
  }[]
}

export interface OrdersRig {
  readonly t: TestDatabases
  readonly orders: Orders
  /** Runs one batch of an operation; the actor has every scope. */
  run<O = Record<string, never>>(id: string, inputs: unknown[], scope?: Scope): Promise<Outcome<O>[]>
  /** Runs one command that has to succeed. */
  must<O = { state: string; moneyState: string }>(id: string, input: unknown): Promise<O>
  /** The code of the refusal of one command. */
  refusal(id: string, input: unknown): Promise<string>
  order(changes?: SomeOrder): SomeOrder
  place(changes?: SomeOrder): Promise<{ orderId: number; number: string; totalMinor: number }>
  see(orderId: number): Promise<SeenOrder>
  /** Tells that a part is covered: captured as much as is due. */
  cover(orderIds: number[], part?: number, dueMinor?: number): Promise<void>
  /** Notes what payments tell, in one transaction. */
  note(facts: readonly Told[]): Promise<Outcome<unknown>[]>
  tell(events: { orderId: number; part?: number; covered?: boolean; sums: Partial<PaymentSums> }[]): Promise<void>
  move(orderId: number, to: string, itemNos: number[]): Promise<void>
  write<T>(work: (context: WriteContext) => Promise<T>): Promise<T>
  sql<Row>(text: string): Promise<Row[]>
  events<Payload>(orderId: number, type: string): Promise<Payload[]>
  /** Everything that check finds broken. */
  breaks(): Promise<string[]>
}

const ada = { name: 'Ada', line1: '1 King St', city: 'Toronto', postcode: 'M5V', country: 'CA', lat: 43.64, lng: -79.39 }
const actor = { id: 'key:test', scopes: ['*'] }

/** Orders on databases of a test file's own, with a store, two SKUs, and payments played by hand. */
export async function openOrdersRig(): Promise<OrdersRig> {
  const t = await openTestDatabases()
  const database = t.databases.of('orders')
  const orders = openOrders({ database, random: Math.random })
  const admin = await t.admin('live')
  let commands = 0
  const asked = <T>(input: T): Asked<T> => ({ input, actor, commandId: `c-${++commands}`, traceId: '' })

  const run = async <O>(id: string, inputs: unknown[], scope: Scope = t.live): Promise<Outcome<O>[]> => {
    const operation = orders.operations.find((candidate) => candidate.id === id)
    if (operation === undefined) throw new Error(`no operation ${id}`)
    const all = inputs.map(asked)
    const outcomes =
      operation.kind === 'command'
        ? await database.write(scope, (context) => operation.body(context, all))
        : await database.read(scope, (context) => operation.body(context, all))
    for (const outcome of outcomes as Outcome<O>[]) {
      if (!outcome.ok && !(outcome.error.code in operation.errors)) throw new Error(`${id} may not return ${outcome.error.code}`)
    }
    return [...outcomes] as Outcome<O>[]
  }
  const must = async <O>(id: string, input: unknown): Promise<O> => {
    const [outcome] = await run<O>(id, [input])
    if (!outcome?.ok) throw new Error(`${id}: ${JSON.stringify(outcome)}`)
    return outcome.value
  }
  // One after the other: a connection runs one query at a time, and tests look from several places at once.
  let looking: Promise<unknown> = Promise.resolve()
  const sql = async <Row>(text: string): Promise<Row[]> => {
    const looked = looking.then(() => admin.query(text))
    looking = looked.catch(() => undefined)
    return (await looked).rows as Row[]
  }

  for (const scope of [t.live, t.shadow]) {
    await run('orders.put_store', [{ storeId: 'main', name: 'Main', prefix: 'TL', currency: 'CAD' }], scope)
    const skus = [
      { sku: 'tea', name: 'Tea', skuType: 'dry', weightGrams: 100, volumeMl: 300 },
      { sku: 'ice', name: 'Ice', skuType: 'frozen', weightGrams: 500, volumeMl: 500 },
    ]
    await run('orders.put_sku', skus, scope)
  }

  const order = (changes: SomeOrder = {}): SomeOrder => ({
    storeId: 'main',
    customerId: 'c1',
    currency: 'CAD',
    totalMinor: 2 * 500 + 300 + 99,
    sections: [
      {
        destination: ada,
        slot: { date: '2026-03-03', code: 'AM' },
        shippingMinor: 99,
        items: [
          { sku: 'tea', quantity: 2, unitPriceMinor: 500 },
          { sku: 'ice', quantity: 1, unitPriceMinor: 300 },
        ],
      },
    ],
    ...changes,
  })
  const note: OrdersRig['note'] = (facts) =>
    database.write(t.live, (context) =>
      orders.notePaymentFacts(
        context,
        facts.map((fact) => ({ ...fact, orderId: fact.event.orderId, commandId: `${fact.type}/${++commands}`, actor: 'flow:test' })),
      ),
    )
  const tell: OrdersRig['tell'] = async (events) => {
    const outcomes = await note(
      events.map(({ orderId, part = 0, covered = false, sums }) => {
        const event: PaymentsMoved = {
          requestId: orderId,
          orderId,
          part,
          storeId: 'main',
          customerId: 'c1',
          currency: 'CAD',
          movement: null,
          reason: '',
          covered,
          sums: { dueMinor: 0, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0, ...sums },
        }
        return { type: 'payments.moved', event }
      }),
    )
    for (const outcome of outcomes) if (!outcome.ok) throw new Error(JSON.stringify(outcome))
  }
  return {
    t,
    orders,
    run,
    must,
    async refusal(id, input) {
      const [outcome] = await run(id, [input])
      return outcome?.ok === false ? outcome.error.code : 'accepted'
    },
    order,
    place: (changes = {}) => must('orders.place', order(changes)),
    see: (orderId) => must('orders.get', { order: String(orderId) }),
    async cover(orderIds, part = 0, dueMinor) {
      const asks = await sql<{ order_id: string; asked_minor: string }>(
        `select order_id, asked_minor from orders.part where part = ${part} and order_id in (${orderIds.join(',')})`,
      )
      await tell(
        asks.map((row) => {
          const due = dueMinor ?? Number(row.asked_minor)
          return { orderId: Number(row.order_id), part, covered: true, sums: { dueMinor: due, capturedMinor: due } }
        }),
      )
    },
    note,
    tell,
    async move(orderId, to, itemNos) {
      const [outcome] = await database.write(t.live, (context) =>
        orders.moveItems(context, [
          { orderId, moves: itemNos.map((itemNo) => ({ itemNo, to: to as 'paid' })), cause: 'waybill', commandId: 'w', actor: 'flow:test' },
        ]),
      )
      if (!outcome?.ok) throw new Error(JSON.stringify(outcome))
    },
    write: (work) => database.write(t.live, work),
    sql,
    async events(orderId, type) {
      const rows = await sql<{ payload: never }>(
        `select payload from orders.outbox where key = '${orderId}' and type = '${type}' order by id`,
      )
      return rows.map(({ payload }) => payload)
    },
    async breaks() {
      const checks = await database.read(t.live, (context) => orders.check(context))
      return checks.flatMap(({ breaks }) => breaks)
    },
  }
}
