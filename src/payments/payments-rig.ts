import { expect } from 'vitest'
import { type ReadContext, type Scope, statement, type WriteContext } from '#platform/database.ts'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { SandboxEngine } from '#partners/sandbox-pg/engine.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { type GuardedGateway, guardTraffic } from './gateway.ts'
import { openPayments, type Payments } from './open-payments.ts'
import type { RequestPayment } from './request-payments.ts'

/** Payments on a real database with a sandbox gateway inside the process: what the database tests of this folder stand on. */
export interface PaymentsRig {
  readonly t: TestDatabases
  readonly engine: SandboxEngine
  readonly payments: Payments
  /** As another process would: own executor, own ids, same database and gateway. */
  another(gateway?: GuardedGateway): Payments
  write<T>(work: (context: WriteContext) => Promise<T>, scope?: Scope): Promise<T>
  read<T>(work: (context: ReadContext) => Promise<T>, scope?: Scope): Promise<T>
  /** Requests the payment of one order and waits until its first attempt has a result. */
  pay(token: string | null, over?: Partial<RequestPayment>): Promise<number>
  /** Moves the clock on, sweeps, and waits for what the sweep set going. */
  sweepAfter(ms: number, scope?: Scope): Promise<void>
  stateOf(orderId: number, scope?: Scope): Promise<string | undefined>
  events(orderId: number, scope?: Scope): Promise<{ type: string; payload: Record<string, unknown> }[]>
  /** Charges and refunds at the gateway for one order, by its reference in our books. */
  expectGreen(scope?: Scope): Promise<void>
  close(): Promise<void>
}

export const rigSecret = 'a secret of the rig'
export const installation = 'rig'

const readEvents = statement<{ type: string; payload: Record<string, unknown> }>(
  'test.events',
  'select type, payload from payments.outbox where key = $1 order by id',
)

export async function openPaymentsRig(seed: number): Promise<PaymentsRig> {
  const t = await openTestDatabases()
  const database = t.databases.of('payments')
  const engine = new SandboxEngine({ seed, clock: t.clock })
  const twin = () => guardTraffic(openSandboxTwin({ name: 'sandbox', engine, webhookSecret: rigSecret }), 'sandbox')
  const opened: Payments[] = []
  const another = (gateway = twin()): Payments => {
    const payments = openPayments({ database, gateways: [gateway], installation })
    opened.push(payments)
    return payments
  }
  const payments = another()
  let nextOrder = 1
  const rig: PaymentsRig = {
    t,
    engine,
    payments,
    another,
    write: (work, scope = t.live) => database.write(scope, work),
    read: (work, scope = t.live) => database.read(scope, work),
    async pay(token, over = {}) {
      const command = orderOf(nextOrder, token, over)
      nextOrder = Math.max(nextOrder, command.orderId) + 1
      const [outcome] = await rig.write((context) => payments.requestPayments(context, [command]))
      expect(outcome).toMatchObject({ ok: true })
      await payments.executor.idle()
      return command.orderId
    },
    async sweepAfter(ms, scope = t.live) {
      t.clock.set(new Date(t.clock.now().getTime() + ms))
      await payments.sweep(scope)
      await payments.executor.idle()
    },
    async stateOf(orderId, scope = t.live) {
      const found = await rig.read((read) => payments.findPayments(read, [orderId]), scope)
      return found.get(orderId)?.state
    },
    events: (orderId, scope = t.live) => rig.read((read) => read.query(readEvents, [String(orderId)]), scope),
    async expectGreen(scope = t.live) {
      const checks = await rig.read(async (read) => {
        const own = await payments.check(read)
        return [...own, ...(await payments.compareWithGateway(read, 'sandbox', engine.log().movements))]
      }, scope)
      expect(checks.filter((check) => check.breaks.length > 0)).toEqual([])
    },
    async close() {
      for (const each of opened) await each.executor.close()
      await t.close()
    },
  }
  return rig
}

export function orderOf(orderId: number, token: string | null, over: Partial<RequestPayment> = {}): RequestPayment {
  return {
    orderId,
    storeId: 'store-1',
    currency: 'EUR',
    amountMinor: 1_999,
    instrument: token === null ? null : { means: 'card', token },
    actor: 'test',
    commandId: `place ${orderId}`,
    ...over,
  }
}
