import { expect } from 'vitest'
import { type ReadContext, type Scope, statement, type WriteContext } from '#platform/database.ts'
import { SandboxEngine } from '#partners/sandbox-pg/engine.ts'
import { profileOf } from '#partners/sandbox-pg/profiles.ts'
import { openSandboxTwin } from '#partners/sandbox-pg/twin.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import type { LegView, RequestView } from './find-payments.ts'
import { type FollowUpCall, type FollowUpResult, type GuardedGateway, guardTraffic, type PaymentGateway } from './gateway.ts'
import { openPayments, type Payments } from './open-payments.ts'
import type { PaymentPlan, PlannedLeg } from './payment-plan.ts'
import type { RequestPayment } from './request-payments.ts'

/** Payments on a real database with gateways inside the process: what the database tests of this folder stand on. */
export interface PaymentsRig {
  readonly t: TestDatabases
  /** That of the gateway `sandbox`. */
  readonly engine: SandboxEngine
  readonly engines: ReadonlyMap<string, SandboxEngine>
  readonly wallet: MemoryWallet
  readonly payments: Payments
  /** As another process would: own executor, own ids, same database and gateways. */
  another(gateway?: GuardedGateway): Payments
  write<T>(work: (context: WriteContext) => Promise<T>, scope?: Scope): Promise<T>
  read<T>(work: (context: ReadContext) => Promise<T>, scope?: Scope): Promise<T>
  /** Requests the payment of one order and waits until its first attempts have a result. */
  pay(token: string | null, over?: Partial<RequestPayment>): Promise<number>
  /** The same by a plan. */
  plan(plan: PaymentPlan | null, over?: Partial<RequestPayment>): Promise<number>
  /** Cancels or refunds; of part 0 unless told. */
  giveBack(orderId: number, over?: Partial<Parameters<Payments['cancelOrRefund']>[1][number]>): ReturnType<Payments['cancelOrRefund']>
  /** Moves the clock on, sweeps, and waits for what the sweep set going. */
  sweepAfter(ms: number, scope?: Scope): Promise<void>
  request(orderId: number, part?: number, scope?: Scope): Promise<RequestView | undefined>
  legs(orderId: number, part?: number): Promise<LegView[]>
  stateOf(orderId: number, scope?: Scope): Promise<string | undefined>
  events(orderId: number, scope?: Scope): Promise<{ type: string; payload: Record<string, unknown> }[]>
  /** What was announced of an order, in short: `captured 1999 covered`, `failed`, `checking`. */
  told(orderId: number): Promise<string[]>
  sql<Row extends object>(text: string, parameters?: unknown[]): Promise<Row[]>
  /** All invariants hold, and every gateway's log is ours. */
  expectGreen(scope?: Scope): Promise<void>
  breaks(scope?: Scope): Promise<string[]>
  close(): Promise<void>
}

export const rigSecret = 'a secret of the rig'
export const installation = 'rig'

const readEvents = statement<{ type: string; payload: Record<string, unknown> }>(
  'test.events',
  'select type, payload from payments.outbox where key = $1 order by id',
)

/** Accounts of customers as a gateway that only this process knows: what the ledger is in earnest. */
export class MemoryWallet {
  readonly balances = new Map<string, number>()
  readonly #done = new Map<string, FollowUpResult>()
  readonly #held = new Map<string, { customerId: string; amountMinor: number }>()

  gateway(): PaymentGateway {
    const add = (customerId: string, amountMinor: number): void => {
      this.balances.set(customerId, (this.balances.get(customerId) ?? 0) + amountMinor)
    }
    const once = (call: FollowUpCall, work: () => void): FollowUpResult => {
      if (!this.#done.has(call.key)) {
        work()
        this.#done.set(call.key, { outcome: 'succeeded', gatewayRef: call.key })
      }
      return { outcome: 'succeeded', gatewayRef: call.key }
    }
    const take: PaymentGateway['charge'] = async ({ key, customerId, amountMinor }) => {
      if (this.#held.has(key)) return { outcome: 'succeeded', gatewayRef: key }
      if ((this.balances.get(customerId) ?? 0) < amountMinor) return { outcome: 'declined_hard', reason: 'insufficient_balance' }
      add(customerId, -amountMinor)
      this.#held.set(key, { customerId, amountMinor })
      return { outcome: 'succeeded', gatewayRef: key }
    }
    const back = (call: FollowUpCall, amountMinor: number) =>
      once(call, () => add(this.#held.get(call.gatewayRef)?.customerId ?? '?', amountMinor))
    return {
      name: 'wallet',
      means: ['wallet'],
      charge: take,
      authorize: take,
      capture: async (call) =>
        once(call, () => {
          const held = this.#held.get(call.gatewayRef)
          if (call.last && held !== undefined) add(held.customerId, held.amountMinor - call.amountMinor)
        }),
      void: async (call) => back(call, call.amountMinor),
      refund: async (call) => back(call, call.amountMinor),
      credit: async (call) => once(call, () => add(call.gatewayRef, call.amountMinor)),
      queryCharge: async ({ key }) => (this.#held.has(key) ? { outcome: 'succeeded', gatewayRef: key } : { outcome: 'not_found' }),
      queryFollowUp: async (_, { key }) => this.#done.get(key) ?? { outcome: 'not_found' },
      verifyWebhook: () => ({ refused: 'none' }),
    }
  }
}

export interface RigOptions {
  /** Names of sandbox PGs, `sandbox` alone unless told. */
  readonly gateways?: readonly string[]
  /** False: no wallet. */
  readonly wallet?: boolean
  readonly deps?: Partial<Parameters<typeof openPayments>[0]>
}

export async function openPaymentsRig(seed: number, options: RigOptions = {}): Promise<PaymentsRig> {
  const t = await openTestDatabases()
  const database = t.databases.of('payments')
  const admin = await t.admin('live')
  const names = options.gateways ?? ['sandbox']
  const engines = new Map(names.map((name) => [name, new SandboxEngine({ seed, clock: t.clock, profile: profileOf(name) })]))
  const wallet = new MemoryWallet()
  const gateways = (): GuardedGateway[] => [
    ...[...engines].map(([name, engine]) => guardTraffic(openSandboxTwin({ name, engine, webhookSecret: rigSecret }), 'sandbox')),
    ...(options.wallet === false ? [] : [guardTraffic(wallet.gateway(), 'sandbox')]),
  ]
  const opened: Payments[] = []
  const another = (gateway?: GuardedGateway): Payments => {
    const all = gateways().map((each) => (each.name === gateway?.name ? gateway : each))
    const payments = openPayments({ database, gateways: all, installation, ...options.deps })
    opened.push(payments)
    return payments
  }
  const payments = another()
  const engine = engines.get(names[0] ?? '')
  if (engine === undefined) throw new Error('a rig needs a gateway')
  let nextOrder = 1
  const rig: PaymentsRig = {
    t,
    engine,
    engines,
    wallet,
    payments,
    another,
    write: (work, scope = t.live) => database.write(scope, work),
    read: (work, scope = t.live) => database.read(scope, work),
    pay: (token, over = {}) => rig.plan(cardPlan(token), over),
    async plan(plan, over = {}) {
      const command = { ...orderOf(nextOrder, null), plan, ...over }
      if (command.orderId === nextOrder) command.commandId = `place ${nextOrder}`
      nextOrder = Math.max(nextOrder, command.orderId) + 1
      const [outcome] = await rig.write((context) => payments.requestPayments(context, [command]))
      expect(outcome).toMatchObject({ ok: true })
      await payments.executor.idle()
      return command.orderId
    },
    giveBack: (orderId, over = {}) => rig.write((context) => payments.cancelOrRefund(context, [{ ...cancelOf(orderId), ...over }])),
    async sweepAfter(ms, scope = t.live) {
      t.clock.set(new Date(t.clock.now().getTime() + ms))
      await payments.sweep(scope)
      await payments.executor.idle()
    },
    async request(orderId, part = 0, scope = t.live) {
      const found = await rig.read((read) => payments.findPayments(read, [orderId]), scope)
      return found.get(orderId)?.requests.findLast((each) => each.part === part)
    },
    legs: async (orderId, part = 0) => [...((await rig.request(orderId, part))?.legs ?? [])],
    stateOf: async (orderId, scope = t.live) => (await rig.request(orderId, 0, scope))?.state,
    events: (orderId, scope = t.live) => rig.read((read) => read.query(readEvents, [String(orderId)]), scope),
    async told(orderId) {
      return (await rig.events(orderId)).map(({ type, payload }) => {
        if (type !== 'payments.moved')
          return type.replace('payments.', '') + (type === 'payments.checking' ? ` ${String(payload['unknown'])}` : '')
        const movement = payload['movement'] as { kind: string; amountMinor: number; stray: boolean } | null
        const what =
          movement === null ? `due ${(payload['sums'] as { dueMinor: number }).dueMinor}` : `${movement.kind} ${movement.amountMinor}`
        return `${movement?.stray ? 'stray ' : ''}${what}${payload['covered'] ? ' covered' : ''}`
      })
    },
    sql: async <Row extends object>(text: string, parameters: unknown[] = []) => (await admin.query<Row>(text, parameters)).rows,
    async breaks(scope = t.live) {
      const checks = await rig.read(async (read) => {
        const all = [...(await payments.check(read))]
        for (const [name, each] of engines) all.push(...(await payments.compareWithGateway(read, name, each.log().movements)))
        return all
      }, scope)
      return checks.flatMap(({ check, breaks }) => breaks.map((told) => `${check}: ${told}`))
    },
    async expectGreen(scope = t.live) {
      expect(await rig.breaks(scope)).toEqual([])
    },
    async close() {
      for (const each of opened) await each.executor.close()
      await t.close()
    },
  }
  return rig
}

export const card = (token: string, over: Partial<PlannedLeg> = {}): PlannedLeg => ({ means: 'card', token, ...over })
export const cardPlan = (token: string | null): PaymentPlan | null => (token === null ? null : { legs: [card(token)] })

export function orderOf(orderId: number, token: string | null, over: Partial<RequestPayment> = {}): RequestPayment {
  return {
    orderId,
    part: 0,
    storeId: 'store-1',
    customerId: 'c1',
    currency: 'EUR',
    amountMinor: 1_999,
    plan: cardPlan(token),
    actor: 'test',
    commandId: `place ${orderId}`,
    ...over,
  }
}

export const cancelOf = (orderId: number, amountMinor?: number) => ({
  orderId,
  parts: [amountMinor === undefined ? { part: 0 } : { part: 0, amountMinor }],
  reason: 'order cancelled',
  actor: 'test',
  commandId: 'cancel',
})
