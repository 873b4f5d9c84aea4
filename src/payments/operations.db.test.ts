import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSandboxAdapter, type SandboxServer, startSandboxServer } from '#partners/sandbox-pg/index.ts'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { systemContext } from '#platform/request-context.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { guardTraffic } from './gateway.ts'
import { openPayments, type Payments } from './open-payments.ts'
import { orderOf, rigSecret } from './payments-rig.ts'

const seed = Number(process.env['SEED'] ?? 99)

describe('payments through its operations, a sandbox PG behind real HTTP that loses, repeats and reorders webhooks', () => {
  let t: TestDatabases
  let pg: SandboxServer
  let payments: Payments
  let runner: Runner
  let receiver: Server
  const problems: unknown[] = []
  const context = systemContext('test')
  const run = (operation: string, input: unknown, idempotencyKey?: string) => runner.run(operation, { context, input, idempotencyKey })

  beforeAll(async () => {
    console.log(`seed ${seed}`)
    t = await openTestDatabases()
    pg = await startSandboxServer({
      seed,
      clock: t.clock,
      webhookSecret: rigSecret,
      latencyMs: [0, 5],
      slowMs: 30,
      faults: { lost: 0.2, repeated: 0.3, reorderMs: 100 },
    })
    const gateway = guardTraffic(
      openSandboxAdapter({ name: 'sandbox', baseUrl: pg.url, timeoutMs: 400, webhookSecret: rigSecret }),
      'sandbox',
    )
    payments = openPayments({
      database: t.databases.of('payments'),
      gateways: [gateway],
      installation: 'http-test',
      log: (problem) => problems.push(problem),
    })
    const rate = { perSecond: 100_000, burst: 100_000 }
    const log = { error: (facts: object) => void problems.push(facts), warn() {}, info() {} }
    runner = openRunner({
      operations: payments.operations,
      databases: t.databases,
      standardLimit: rate,
      nowMs: () => performance.now(),
      log,
    })
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
        const body = Buffer.concat(chunks).toString('utf8')
        void run('payments.webhook', { gateway: 'sandbox', headers, body }).then((outcome) =>
          response.writeHead(outcome.ok ? 200 : 400).end(),
        )
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', () => resolve()))
    pg.sendWebhooksTo('live', { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` })
  })
  afterAll(async () => {
    await payments.executor.close()
    await runner.drain()
    await pg.close()
    receiver.closeAllConnections()
    await new Promise((resolve) => receiver.close(resolve))
    await t.close()
  })
  const settle = async () => {
    await payments.executor.idle()
    await expect.poll(() => pg.webhooksWaiting(), { timeout: 10_000 }).toBe(0)
    await runner.drain()
    await payments.executor.idle()
  }

  test('two hundred payments with every fault end equal to the log of the PG, each charged once', async () => {
    const orders = Array.from({ length: 200 }, (_, index) => index + 1)
    await t.databases.of('payments').write(t.live, (write) =>
      payments.requestPayments(
        write,
        orders.map((order) => orderOf(order, `tok_mixed_${order}`, { amountMinor: 1_000 + order })),
      ),
    )
    await settle()
    for (let round = 0; round < 8; round += 1) {
      t.clock.set(new Date(t.clock.now().getTime() + 61_000))
      await payments.sweep(t.live)
      await settle()
    }
    const views = await Promise.all(orders.map((orderId) => run('payments.get', { orderId })))
    const states = views.map((view) => (view.ok ? (view.value as { requests: { state: string }[] }).requests[0]?.state : view.error.code))
    expect(new Set(states)).toEqual(new Set(['covered', 'open']))
    expect(states.filter((state) => state === 'covered').length).toBeGreaterThan(180)
    const log = (await (await fetch(`${pg.url}/log`)).json()) as ReturnType<SandboxServer['engine']['log']>
    const checks = await t.databases
      .of('payments')
      .read(t.live, async (read) => [
        ...(await payments.check(read)),
        ...(await payments.compareWithGateway(read, 'sandbox', log.movements)),
      ])
    expect(checks.filter((check) => check.breaks.length > 0)).toEqual([])
    expect(problems).toEqual([])
  })

  test('a customer pays again, looks, and gets money back, each under its key', async () => {
    await t.databases.of('payments').write(t.live, (write) => payments.requestPayments(write, [orderOf(900, 'tok_declined_hard')]))
    await settle()
    const pay = { orderId: 900, legs: [{ means: 'card', token: 'tok_ok' }] }
    const first = await run('payments.pay', pay, 'pay-900')
    expect(first).toMatchObject({ ok: true, value: { orderId: 900, state: 'processing' } })
    expect(await run('payments.pay', pay, 'pay-900')).toEqual(first)
    await settle()
    expect(await run('payments.get', { orderId: 900 })).toMatchObject({
      ok: true,
      value: { capturedMinor: 1_999, requests: [{ state: 'covered' }] },
    })
    const refund = { orderId: 900, amountMinor: 999, reason: 'scratched' }
    await Promise.all([run('payments.refund', refund, 'refund-900'), run('payments.refund', refund, 'refund-900')])
    await settle()
    expect(await run('payments.get', { orderId: 900 })).toMatchObject({
      value: { dueMinor: 1_000, refundedMinor: 999, requests: [{ state: 'covered' }] },
    })
    expect(await run('payments.refund', { ...refund, amountMinor: 1_001 }, 'refund-901')).toMatchObject({
      error: { code: 'payments.refund_too_large' },
    })
  })

  test('bad input names its field, and unknown orders are not found', async () => {
    const code = async (operation: string, input: unknown) => {
      const outcome = await run(operation, input, `bad-${crypto.randomUUID()}`)
      return outcome.ok ? 'ok' : `${outcome.error.code} ${outcome.error.field ?? ''}`
    }
    const leg = { means: 'card', token: 't' }
    expect(await code('payments.pay', { orderId: 1, legs: [{ ...leg, means: 'shells' }] })).toMatch(
      /^platform.invalid_input \/legs\/0\/means/,
    )
    expect(await code('payments.pay', { orderId: 1, legs: [leg], more: 1 })).toBe('platform.invalid_input /more')
    expect(await code('payments.pay', { orderId: 777, legs: [leg] })).toBe('payments.request_not_found /orderId')
    expect(await code('payments.capture', { orderId: 777 })).toBe('payments.request_not_found /orderId')
    expect(await code('payments.refund', { orderId: 1, amountMinor: 0, reason: 'x' })).toBe('platform.invalid_input /amountMinor')
    expect(await code('payments.refund', { orderId: 777, reason: 'x' })).toBe('payments.nothing_to_refund /orderId')
    expect(await code('payments.get', { orderId: 777 })).toBe('payments.request_not_found /orderId')
    expect(await code('payments.webhook', { gateway: 'sandbox', headers: {}, body: '{}' })).toBe('payments.webhook_refused /headers')
    const mix = (gateways: object[], strategy = 'ratio') => code('payments.put_gateway_mix', { storeId: 's', mix: { strategy, gateways } })
    expect(await mix([{ gateway: 'sandbox' }])).toBe('payments.bad_mix /mix/gateways/0/weight')
    expect(await mix([{ gateway: 'sandbox', weight: 0 }])).toBe('platform.invalid_input /mix/gateways/0/weight')
    expect(await mix([{ gateway: 'elsewhere', weight: 1 }])).toBe('payments.unknown_gateway /mix/gateways/0/gateway')
    expect(await mix([{ gateway: 'sandbox' }, { gateway: 'sandbox' }], 'priority')).toBe('payments.bad_mix /mix/gateways/1/gateway')
    expect(await mix([{ gateway: 'sandbox' }], 'cheapest')).toBe('payments.bad_mix /mix/gateways/0/feeBasisPoints')
    expect(await mix([{ gateway: 'sandbox', fromMinor: 5, untilMinor: 5 }], 'amount')).toBe('payments.bad_mix /mix/gateways/0/untilMinor')
    expect(await code('payments.get_gateway_mix', { storeId: 'none' })).toBe('payments.mix_not_found /storeId')
    const bind = { customerId: 'c1', gateway: 'elsewhere', token: 't', returnUrl: 'https://shop.test/back' }
    expect(await code('payments.bind_card', bind)).toBe('payments.unknown_gateway /gateway')
    expect(await code('payments.bind_card', { ...bind, returnUrl: 'javascript:1' })).toBe('platform.invalid_input /returnUrl')
    expect(await code('payments.finish_binding', { customerId: 'c1', bindingId: 5 })).toBe('payments.unknown_binding /bindingId')
    expect(await code('payments.remove_card', { customerId: 'c1', cardId: 5 })).toBe('payments.unknown_card /cardId')
  })
})
