import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { openWebhookReceiver, type WebhookReceiver } from '#partners/webhook-receiver-rig.ts'
import type { ChargeCall, PaymentGateway, QueryCall } from '#payments'
import { openSandboxAdapter } from './adapter.ts'
import { type SandboxServer, startSandboxServer } from './server.ts'
import { startSandboxPgs } from './start-sandbox-pgs.ts'
import { openSandboxTwin } from './twin.ts'
import { verifySandboxWebhook } from './webhook-signature.ts'

const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
const webhookSecret = 'a test secret'
const call = (key: string, token: string): ChargeCall & QueryCall => ({
  key,
  token,
  means: 'card',
  amountMinor: 700,
  currency: 'EUR',
  reference: key,
  customerId: 'c1',
  traffic: 'live',
  rehearsalId: null,
  instalments: 1,
  returnUrl: 'http://shop.example/back?order=7',
  sentAt: clock.now(),
  gatewayRef: null,
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
    expect(await adapter.queryFollowUp('refund', { ...asked, key: 'ref' })).toMatchObject({ outcome: 'succeeded' })
    expect(await adapter.queryFollowUp('refund', { ...asked, key: 'never' })).toEqual({ outcome: 'not_found' })
    const log = (await (await fetch(`${server.url}/log`)).json()) as { movements: { key: string; kind: string }[] }
    expect(log.movements.filter(({ key }) => ['auth', 'cap', 'void', 'ref'].includes(key))).toMatchObject([
      { kind: 'capture' },
      { kind: 'refund' },
    ])
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
  let receiver: WebhookReceiver
  let server: SandboxServer | undefined
  beforeAll(async () => {
    receiver = await openWebhookReceiver()
  })
  afterEach(async () => {
    await server?.close()
    receiver.received.length = 0
    receiver.answerWith(() => 200)
  })
  afterAll(() => receiver.close())
  const idsOf = () => receiver.received.map(({ headers }) => headers['webhook-id'] ?? '')
  const start = async (faults: { lost?: number; repeated?: number; reorderMs?: number }) => {
    server = await startSandboxServer({ seed: 3, clock, webhookSecret, targets: { live: { url: receiver.url } }, faults })
    return server
  }
  const chargeMany = async (target: SandboxServer, count: number) => {
    for (let index = 0; index < count; index += 1) await adapterOf(target, 5_000).charge(call(`w${index}`, 'tok_ok'))
    await expect.poll(() => target.webhooksWaiting(), { timeout: 10_000 }).toBe(0)
  }

  test('each charge is told once, signed, and read back as what happened', async () => {
    await chargeMany(await start({}), 5)
    expect(receiver.received).toHaveLength(5)
    for (const request of receiver.received) {
      const verify = (over: Partial<typeof request>, secret = webhookSecret) =>
        verifySandboxWebhook(secret, { ...request, ...over }, clock.now())
      expect(verify({})).toMatchObject({ notice: { kind: 'charge', result: { outcome: 'succeeded' } } })
      expect(verify({}, 'another secret')).toHaveProperty('refused')
      expect(verify({ body: request.body.replace('700', '701') })).toHaveProperty('refused')
      const signature = request.headers['webhook-signature'] ?? ''
      expect(verify({ headers: { ...request.headers, 'webhook-signature': `v1,AAAA ${signature}` } })).toHaveProperty('notice')
      expect(verify({ headers: { ...request.headers, 'webhook-signature': signature.slice(3) } })).toHaveProperty('refused')
      expect(verifySandboxWebhook(webhookSecret, request, new Date('2026-03-02T09:06:00Z'))).toHaveProperty('refused')
      expect(verifySandboxWebhook(webhookSecret, request, new Date('2026-03-02T08:54:00Z'))).toHaveProperty('refused')
    }
  })

  test('captures, voids, refunds and disputes are told by webhooks of their own', async () => {
    const { engine, url, webhooksWaiting } = await start({})
    const adapter = adapterOf({ url }, 5_000)
    const [first, second] = [call('a', 'tok_ok'), call('b', 'tok_ok')]
    await adapter.authorize(first)
    await adapter.authorize(second)
    await adapter.capture({ ...first, key: 'c', gatewayRef: 'ch_a' })
    await adapter.void({ ...second, key: 'v', gatewayRef: 'ch_b' })
    await adapter.refund({ ...first, key: 'r', gatewayRef: 'ch_a', amountMinor: 100 })
    for (const won of [false, true]) {
      const disputed = await fetch(`${url}/charges/ch_a/dispute`, { method: 'POST', body: JSON.stringify({ won, amountMinor: 50 }) })
      expect(disputed.status).toBe(200)
    }
    await expect.poll(webhooksWaiting, { timeout: 5_000 }).toBe(0)
    const notices = receiver.received.map((request) => {
      const verified = verifySandboxWebhook(webhookSecret, request, clock.now())
      return 'notice' in verified ? verified.notice : null
    })
    const told = notices.map((notice) => [notice?.kind, notice?.key, notice?.kind === 'dispute' ? notice.won : notice?.result.outcome])
    expect(told.toSorted()).toEqual(
      [
        ['charge', 'a', 'succeeded'],
        ['charge', 'b', 'succeeded'],
        ['capture', 'c', 'succeeded'],
        ['void', 'v', 'succeeded'],
        ['refund', 'r', 'succeeded'],
        ['dispute', 'a', false],
        ['dispute', 'a', true],
      ].toSorted(),
    )
    expect(new Set(idsOf()).size).toBe(7)
    expect(engine.log().movements).toHaveLength(4)
  })

  test('with faults some come three times, some never and some out of order, the same ones for the same seed', async () => {
    const run = async () => {
      receiver.received.length = 0
      await chargeMany(await start({ lost: 0.3, repeated: 0.3, reorderMs: 40 }), 30)
      await server?.close()
      return idsOf()
    }
    const ids = await run()
    const times = new Map<string, number>()
    for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1)
    expect(new Set(times.values())).toEqual(new Set([1, 3]))
    expect(times.size).toBeGreaterThan(10)
    expect(times.size).toBeLessThan(30)
    const numberOf = (id: string) => Number(/\d+/.exec(id)?.[0])
    const byNumber = (list: string[]) => list.toSorted((a, b) => numberOf(a) - numberOf(b))
    expect(ids).not.toEqual(byNumber(ids))
    expect(byNumber(await run())).toEqual(byNumber(ids))
  })

  test('a webhook that is not taken is sent again', async () => {
    let refusals = 2
    receiver.answerWith(() => (refusals-- > 0 ? 503 : 200))
    await chargeMany(await start({}), 1)
    expect(idsOf()).toEqual(Array.from({ length: 3 }, () => 'evt_charge_w0_captured'))
  })
})

describe('what the sandbox PG shows to people and tests', () => {
  let server: SandboxServer
  beforeAll(async () => {
    server = await startSandboxServer({ seed: 9, clock, webhookSecret })
  })
  afterAll(() => server.close())
  const open = async (key: string, over: Partial<ChargeCall> = {}) => {
    const result = await adapterOf(server, 5_000).charge({ ...call(key, 'tok_3ds'), ...over })
    if (result.outcome !== 'requires_action' || result.action.kind !== 'redirect') throw new Error(`not open: ${result.outcome}`)
    return result.action.url
  }
  const press = (url: string, action: string) => fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ action }) })

  test('the page of 3-D Secure shows the amount, takes one answer and sends the browser back with the ref', async () => {
    const url = await open('shown')
    const shown = await (await fetch(url)).text()
    expect(shown).toContain('7.00 EUR')
    expect(shown).toContain('Approve')
    const pressed = await press(url, 'approve')
    expect([pressed.status, pressed.headers.get('location')]).toEqual([303, 'http://shop.example/back?order=7&ref=ch_shown'])
    expect(await (await fetch(url)).text()).toContain('Nothing to confirm')
    expect((await press(url, 'decline')).status).toBe(303)
    expect(server.engine.findCharge('shown').body?.status).toBe('captured')
  })

  test('what a caller writes does not become part of the page, nor an address of another kind a redirect', async () => {
    const url = await open('evil', { reference: '<script>alert(1)</script>', returnUrl: 'javascript:alert(1)' })
    expect(await (await fetch(url)).text()).not.toContain('<script>')
    expect((await press(url, 'approve')).status).toBe(200)
    expect((await fetch(`${server.url}/3ds/ch_nobody`)).status).toBe(404)
  })

  test('the log comes whole or in pages', async () => {
    for (let index = 0; index < 5; index += 1) await adapterOf(server, 5_000).charge(call(`page-${index}`, 'tok_ok'))
    type Page = { movements: { key: string; sequence: number }[]; next: number | null }
    const page = async (query: string) => (await (await fetch(`${server.url}/log${query}`)).json()) as Page
    const whole = (await page('')).movements.map(({ key }) => key)
    const read: string[] = []
    for (let after: number | null = 0; after !== null; ) {
      const { movements, next }: Page = await page(`?after=${after}&limit=2`)
      expect(movements.length).toBeLessThanOrEqual(2)
      read.push(...movements.map(({ key }) => key))
      after = next
    }
    expect(read).toEqual(whole)
    expect((await fetch(`${server.url}/log?after=x`)).status).toBe(400)
    expect(await adapterOf(server).readLog?.()).toEqual({ movements: server.engine.log().movements, complete: true })
    await expect(adapterOf({ url: `${server.url}/elsewhere` }).readLog?.()).rejects.toThrow('pg answered 404')
    await expect(adapterOf({ url: 'http://127.0.0.1:1' }).readLog?.()).rejects.toThrow('pg did not show its log')
  })

  test('all four start together under their own names, and their ports follow each other', async () => {
    const pgs = await startSandboxPgs({ seed: 1, clock, webhookSecret })
    expect([...pgs.servers.keys()]).toEqual(['sandbox', 'borealis', 'meridian', 'cobalt'])
    const outcomes = await Promise.all(
      [...pgs.servers].map(([name, { url }]) =>
        openSandboxAdapter({ name, baseUrl: url, timeoutMs: 5_000, webhookSecret }).charge(call('a', 'tok_declined_soft_at_borealis')),
      ),
    )
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['succeeded', 'declined_soft', 'succeeded', 'succeeded'])
    await pgs.close()
    await expect(startSandboxPgs({ profiles: ['cobalt', 'cobalt'], seed: 1, clock, webhookSecret })).rejects.toThrow('cobalt')
  })
})
