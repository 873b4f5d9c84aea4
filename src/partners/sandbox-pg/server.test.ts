import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import type { ChargeCall, PaymentGateway, WebhookEnvelope } from '#payments'
import { openSandboxAdapter } from './adapter.ts'
import { type SandboxServer, startSandboxServer } from './server.ts'
import { openSandboxTwin } from './twin.ts'
import { openSandboxWebhook } from './webhook-signature.ts'

const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
const webhookSecret = 'a test secret'
const call = (key: string, token: string): ChargeCall => ({
  key,
  token,
  amountMinor: 700,
  currency: 'EUR',
  reference: key,
  traffic: 'live',
  rehearsalId: null,
})
const adapterOf = (server: { url: string }, timeoutMs = 150) =>
  openSandboxAdapter({ name: 'pg', baseUrl: server.url, timeoutMs, webhookSecret })

describe('the sandbox PG over HTTP', () => {
  let server: SandboxServer
  beforeAll(async () => {
    server = await startSandboxServer({ seed: 9, clock, webhookSecret, slowMs: 30 })
  })
  afterAll(() => server.close())

  test('each token class gives the same result over HTTP as from the twin', async () => {
    const twin = openSandboxTwin({ name: 'pg', engine: server.engine, webhookSecret })
    const outcomes = async (gateway: PaymentGateway, prefix: string) => {
      const seen: Record<string, string[]> = {}
      for (const token of [
        'tok_ok',
        'tok_declined_hard',
        'tok_declined_soft',
        'tok_timeout_after_charge',
        'tok_timeout_before_charge',
        'tok_unreachable',
        'tok_slow',
        'tok_nobody',
      ]) {
        const asked = call(`${prefix}-${token}`, token)
        const charged = await gateway.charge(asked)
        const found = await gateway.queryCharge(asked)
        seen[token] = [charged.outcome, found.outcome]
      }
      return seen
    }
    const overHttp = await outcomes(adapterOf(server), 'http')
    expect(overHttp).toEqual({
      tok_ok: ['succeeded', 'succeeded'],
      tok_declined_hard: ['declined_hard', 'declined_hard'],
      tok_declined_soft: ['declined_soft', 'declined_soft'],
      tok_timeout_after_charge: ['unknown', 'succeeded'],
      tok_timeout_before_charge: ['unknown', 'not_found'],
      tok_unreachable: ['unreachable', 'not_found'],
      tok_slow: ['succeeded', 'succeeded'],
      tok_nobody: ['declined_hard', 'declined_hard'],
    })
    expect(await outcomes(twin, 'twin')).toEqual(overHttp)
  })

  test('fifty calls at once under one key are one charge', async () => {
    const adapter = adapterOf(server, 5_000)
    const results = await Promise.all(Array.from({ length: 50 }, () => adapter.charge(call('same', 'tok_ok'))))
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1)
    expect(server.engine.log().movements.filter((movement) => movement.key === 'same')).toHaveLength(1)
  })

  test('authorise, capture, void and refund go over HTTP, and the log tells of every movement', async () => {
    const adapter = adapterOf(server, 5_000)
    const asked = call('auth', 'tok_ok')
    const authorized = await adapter.authorize(asked)
    const gatewayRef = authorized.outcome === 'succeeded' ? authorized.gatewayRef : ''
    expect(await adapter.capture({ ...asked, key: 'cap', gatewayRef })).toMatchObject({ outcome: 'succeeded' })
    expect(await adapter.void({ ...asked, key: 'void', gatewayRef })).toMatchObject({ outcome: 'failed' })
    expect(await adapter.refund({ ...asked, key: 'ref', gatewayRef })).toMatchObject({ outcome: 'succeeded' })
    expect(await adapter.queryRefund({ ...asked, key: 'ref' })).toMatchObject({ outcome: 'succeeded' })
    expect(await adapter.queryRefund({ ...asked, key: 'never' })).toEqual({ outcome: 'not_found' })
    const log = (await (await fetch(`${server.url}/log`)).json()) as { movements: { key: string; kind: string }[] }
    expect(log.movements.filter(({ key }) => key === 'auth' || key === 'ref')).toMatchObject([{ kind: 'charge' }, { kind: 'refund' }])
  })

  test('bad requests are refused and touch nothing', async () => {
    const before = server.engine.log().movements.length
    const post = (path: string, body: string) => fetch(server.url + path, { method: 'POST', body }).then((response) => response.status)
    expect(await post('/charges', '{')).toBe(400)
    expect(await post('/charges', 'null')).toBe(400)
    expect(await post('/charges', JSON.stringify({ ...call('x', 'tok_ok'), capture: true, amountMinor: -1 }))).toBe(400)
    expect(await post('/charges', JSON.stringify({ ...call('x', 'tok_ok'), capture: true, traffic: 'test' }))).toBe(400)
    expect(await post('/charges', 'x'.repeat(200_000))).toBe(400)
    expect(await post('/nothing', '{}')).toBe(400)
    expect(server.engine.log().movements).toHaveLength(before)
  })

  test('a gateway that nobody listens for was certainly not reached; one that hangs up may have been', async () => {
    const gone = await startSandboxServer({ seed: 1, clock, webhookSecret })
    await gone.close()
    expect(await adapterOf(gone).charge(call('gone', 'tok_ok'))).toMatchObject({ outcome: 'unreachable' })
    expect(await adapterOf(gone).queryCharge(call('gone', 'tok_ok'))).toMatchObject({ outcome: 'not_answered' })
    const rude: Server = createServer((request) => request.socket.destroy())
    await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', () => resolve()))
    const url = `http://127.0.0.1:${(rude.address() as AddressInfo).port}`
    expect(await adapterOf({ url }).charge(call('rude', 'tok_ok'))).toMatchObject({ outcome: 'unknown' })
    await new Promise((resolve) => rude.close(resolve))
  })

  test('answers that cannot be true are unknown, not success', async () => {
    let answer = ''
    const liar = createServer((_, response) => response.end(answer))
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', () => resolve()))
    const adapter = adapterOf({ url: `http://127.0.0.1:${(liar.address() as AddressInfo).port}` })
    const bodies = [
      '',
      '<html>',
      'null',
      '{}',
      '{"status":"captured"}',
      '{"status":"captured","ref":"x","amountMinor":699,"currency":"EUR"}',
      '{"status":"captured","ref":"x","amountMinor":700,"currency":"USD"}',
    ]
    for (const body of bodies) {
      answer = body
      expect((await adapter.charge(call('lie', 'tok_ok'))).outcome, body).toBe('unknown')
    }
    await new Promise((resolve) => {
      liar.close(resolve)
      liar.closeAllConnections()
    })
  })
})

describe('webhooks of the sandbox PG', () => {
  const received: WebhookEnvelope[] = []
  let answerWith: () => number = () => 200
  let receiver: Server
  let url = ''
  let server: SandboxServer | undefined
  beforeAll(async () => {
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        received.push(JSON.parse(Buffer.concat(chunks).toString('utf8')) as WebhookEnvelope)
        response.writeHead(answerWith()).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', () => resolve()))
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/webhooks`
  })
  afterEach(async () => {
    await server?.close()
    received.length = 0
    answerWith = () => 200
  })
  afterAll(
    () =>
      new Promise((resolve) => {
        receiver.close(resolve)
        receiver.closeAllConnections()
      }),
  )
  const start = async (faults: { lost?: number; repeated?: number; reorderMs?: number }) => {
    server = await startSandboxServer({ seed: 3, clock, webhookSecret, targets: { live: { url } }, faults })
    return server
  }
  const chargeMany = async (target: SandboxServer, count: number) => {
    for (let index = 0; index < count; index += 1) await adapterOf(target, 5_000).charge(call(`w${index}`, 'tok_ok'))
    await expect.poll(() => target.webhooksWaiting(), { timeout: 10_000 }).toBe(0)
  }

  test('each charge is told once, signed, and read back as what happened', async () => {
    await chargeMany(await start({}), 5)
    expect(received).toHaveLength(5)
    for (const envelope of received) {
      expect(openSandboxWebhook(webhookSecret, envelope, clock.now())).toMatchObject({ kind: 'charge', result: { outcome: 'succeeded' } })
      expect(openSandboxWebhook('another secret', envelope, clock.now())).toHaveProperty('refused')
      expect(
        openSandboxWebhook(webhookSecret, { ...envelope, payload: envelope.payload.replace('700', '701') }, clock.now()),
      ).toHaveProperty('refused')
      expect(openSandboxWebhook(webhookSecret, envelope, new Date('2026-03-02T09:06:00Z'))).toHaveProperty('refused')
    }
  })

  test('with faults some come three times, some never and some out of order, the same ones for the same seed', async () => {
    const run = async () => {
      received.length = 0
      await chargeMany(await start({ lost: 0.3, repeated: 0.3, reorderMs: 40 }), 30)
      await server?.close()
      return received.map((envelope) => envelope.id)
    }
    const ids = await run()
    const times = new Map<string, number>()
    for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1)
    expect(new Set(times.values())).toEqual(new Set([1, 3]))
    expect(times.size).toBeGreaterThan(10)
    expect(times.size).toBeLessThan(30)
    const byNumber = (list: string[]) => list.toSorted((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
    expect(ids).not.toEqual(byNumber(ids))
    expect(byNumber(await run())).toEqual(byNumber(ids))
  })

  test('a webhook that is not taken is sent again', async () => {
    let refusals = 2
    answerWith = () => (refusals-- > 0 ? 503 : 200)
    await chargeMany(await start({}), 1)
    expect(received.map((envelope) => envelope.id)).toEqual(['evt_1', 'evt_1', 'evt_1'])
  })
})
