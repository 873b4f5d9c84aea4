import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '#kernel/time.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import { type Handled, SandboxEngine } from './engine.ts'
import { openWebhookSender, type WebhookFaults, type WebhookTarget } from './webhook-sender.ts'
import type { WireAnswer, WireCharge, WireFollowUp } from './wire.ts'

export interface SandboxServerOptions {
  readonly seed: number
  readonly clock: Clock
  /** 0 or absent: a free port. */
  readonly port?: number
  readonly webhookSecret: string
  /** Where webhooks go, by traffic; none for a traffic without a target. May be set after the start by `sendWebhooksTo`. */
  readonly targets?: Partial<Record<Traffic, WebhookTarget>>
  readonly faults?: Partial<WebhookFaults>
  /** Least and most time before an answer, drawn per key. */
  readonly latencyMs?: readonly [number, number]
  readonly slowMs?: number
}

export interface SandboxServer {
  readonly url: string
  readonly engine: SandboxEngine
  sendWebhooksTo(traffic: Traffic, target: WebhookTarget): void
  /** Webhooks not delivered yet. */
  webhooksWaiting(): number
  close(): Promise<void>
}

const bodyMost = 100_000

/** The sandbox PG as a real HTTP server. */
export async function startSandboxServer(options: SandboxServerOptions): Promise<SandboxServer> {
  const [leastMs, mostMs] = options.latencyMs ?? [0, 0]
  const engine: SandboxEngine = new SandboxEngine({
    seed: options.seed,
    clock: options.clock,
    happened: (happening) => webhooks.send(happening),
  })
  const webhooks = openWebhookSender({
    secret: options.webhookSecret,
    clock: options.clock,
    draw: (text) => engine.draw(text),
    targets: { ...options.targets },
    faults: options.faults ?? {},
  })
  const timers = new Set<NodeJS.Timeout>()

  const deliver = (response: ServerResponse, key: string, handled: Handled): void => {
    // A lost answer: the connection stays open and silent until the caller gives up.
    if (handled.delivery === 'lost') return
    const latency = leastMs + engine.draw(`latency ${key}`) * (mostMs - leastMs)
    const waitMs = latency + (handled.delivery === 'slow' ? (options.slowMs ?? 1_000) : 0)
    if (waitMs < 1) {
      reply(response, handled)
      return
    }
    const timer = setTimeout(() => {
      timers.delete(timer)
      reply(response, handled)
    }, waitMs)
    timers.add(timer)
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? '/', 'http://sandbox').pathname
    const [, collection = '', encodedKey] = path.split('/')
    if (request.method === 'GET' && path === '/log') return send(response, 200, engine.log())
    if (request.method === 'GET' && encodedKey !== undefined && (collection === 'charges' || collection === 'refunds')) {
      const key = decodeURIComponent(encodedKey)
      return reply(response, collection === 'charges' ? engine.findCharge(key) : engine.findRefund(key))
    }
    if (request.method !== 'POST' || encodedKey !== undefined) return send(response, 404, { status: 'refused', reason: 'no such path' })
    const body = await readJson(request)
    if (collection === 'charges' && isCharge(body)) return deliver(response, body.key, engine.charge(body))
    if (isFollowUp(body)) {
      if (collection === 'captures') return deliver(response, body.key, engine.capture(body))
      if (collection === 'voids') return deliver(response, body.key, engine.void(body))
      if (collection === 'refunds') return deliver(response, body.key, engine.refund(body))
    }
    return send(response, 400, { status: 'refused', reason: 'the body cannot be used here' })
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => send(response, 400, { status: 'refused', reason: 'the request cannot be read' }))
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    engine,
    sendWebhooksTo: (traffic, target) => webhooks.sendTo(traffic, target),
    webhooksWaiting: () => webhooks.waiting(),
    async close() {
      webhooks.close()
      for (const timer of timers) clearTimeout(timer)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function reply(response: ServerResponse, { httpStatus, body }: WireAnswer): void {
  send(response, httpStatus, body ?? { status: 'refused', reason: httpStatus === 404 ? 'nothing under this key' : 'no answer' })
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyMost) throw new Error('body too large')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 300
const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0

function isMoneyCall(body: unknown): body is { key: string; amountMinor: number; currency: string; traffic: Traffic } {
  const { key, amountMinor, currency, traffic } = (body ?? {}) as Partial<WireCharge>
  return isText(key) && isAmount(amountMinor) && isText(currency) && bothTraffics.includes(traffic as Traffic)
}

function isCharge(body: unknown): body is WireCharge {
  const { token, reference, capture } = (body ?? {}) as Partial<WireCharge>
  return isMoneyCall(body) && isText(token) && isText(reference) && typeof capture === 'boolean'
}

function isFollowUp(body: unknown): body is WireFollowUp {
  return isMoneyCall(body) && isText((body as Partial<WireFollowUp>).chargeRef)
}
