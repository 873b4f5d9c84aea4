import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '#kernel/time.ts'
import type { Traffic } from '#platform/request-context.ts'
import { type Handled, SandboxEngine } from './engine.ts'
import { backTo, bindingPage, chargePage, endedPage } from './pages.ts'
import { profileOf, type SandboxProfile } from './profiles.ts'
import { refOf, transferReferenceOf } from './records.ts'
import { isBinding, isCharge, isDispute, isFollowUp, readText } from './requests.ts'
import { writeSettlement } from './settlement-file.ts'
import { openWebhookSender, type WebhookFaults, type WebhookTarget } from './webhook-sender.ts'
import type { SandboxFollowUpKind, WireAnswer } from './wire.ts'

export interface SandboxServerOptions {
  readonly seed: number
  readonly clock: Clock
  /** Which sandbox PG it is; `sandbox` unless told. Latency and faults are the profile's unless told below. */
  readonly profile?: SandboxProfile
  /** 0 or absent: a free port. */
  readonly port?: number
  readonly webhookSecret: string
  /** Where webhooks go, by traffic; none for a traffic without a target. May be set after the start by `sendWebhooksTo`. */
  readonly targets?: Partial<Record<Traffic, WebhookTarget>>
  readonly faults?: Partial<WebhookFaults>
  /** Least and most time before an answer, drawn per key. */
  readonly latencyMs?: readonly [number, number]
  readonly slowMs?: number
  readonly rememberMost?: number
  /**
   * Serves this engine instead of one of its own: pages, log and settlement files of a twin in the process. Its clock, seed
   * and profile are the engine's, and webhooks are its maker's business; it should be told the server's address as its `pageUrl`.
   */
  readonly engine?: SandboxEngine
}

export interface SandboxServer {
  readonly url: string
  readonly engine: SandboxEngine
  sendWebhooksTo(traffic: Traffic, target: WebhookTarget): void
  /** Webhooks not delivered yet. */
  webhooksWaiting(): number
  close(): Promise<void>
}

const collections: Readonly<Record<string, SandboxFollowUpKind>> = { captures: 'capture', voids: 'void', refunds: 'refund' }
const pageMost = 10_000

/** A sandbox PG as a real HTTP server: the gateway's interface, the customer's pages, and a control surface for tests. */
export async function startSandboxServer(options: SandboxServerOptions): Promise<SandboxServer> {
  const profile = options.engine?.profile ?? options.profile ?? profileOf('sandbox')
  const [leastMs, mostMs] = options.latencyMs ?? profile.latencyMs
  const slowMs = options.slowMs ?? profile.slowMs
  const place = { url: '' }
  const engine: SandboxEngine =
    options.engine ??
    new SandboxEngine({
      seed: options.seed,
      clock: options.clock,
      profile,
      pageUrl: () => place.url,
      happened: (happening) => webhooks.send(happening),
      ...(options.rememberMost === undefined ? {} : { rememberMost: options.rememberMost }),
    })
  const webhooks = openWebhookSender({
    secret: options.webhookSecret,
    clock: options.clock,
    draw: (text) => engine.draw(text),
    targets: { ...options.targets },
    faults: options.faults ?? profile.webhookFaults,
  })
  const timers = new Set<NodeJS.Timeout>()

  const deliver = (response: ServerResponse, key: string, handled: Handled): void => {
    // A lost answer: the connection stays open and silent until the caller gives up.
    if (handled.delivery === 'lost') return
    const latency = leastMs + engine.draw(`latency ${key}`) * (mostMs - leastMs)
    const waitMs = latency + (handled.delivery === 'slow' ? slowMs : 0)
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

  const read = ({ url, path, response }: Exchange): void => {
    const [collection = '', id = ''] = path
    if (collection === 'log') return sendLog(engine, url, response)
    if (collection === 'settlements') return sendSettlement(engine, { url, file: id, response })
    if (collection === '3ds') return showPage(engine, id, response)
    if (collection === 'charges') return reply(response, engine.findCharge(id))
    if (collection === 'bindings') return reply(response, engine.findBinding(id))
    const kind = collections[collection]
    return kind === undefined ? noSuchPath(response) : reply(response, engine.findFollowUp(kind, id))
  }

  const act = async ({ path, request, response }: Exchange): Promise<void> => {
    const [collection = '', id, verb] = path
    const text = await readText(request)
    if (collection === '3ds' && id !== undefined) return pressButton(engine, { ref: id, text, response })
    if (collection === 'transfers' && id !== undefined && verb === 'pay') return payIn(engine, id, response)
    const body: unknown = text === '' ? {} : JSON.parse(text)
    if (collection === 'charges' && id !== undefined && verb === 'dispute' && isDispute(body))
      return reply(response, engine.dispute(id, body))
    if (id === undefined && collection === 'charges' && isCharge(body))
      return deliver(response, body.key, engine.charge(body, body.capture))
    if (id === undefined && collection === 'bindings' && isBinding(body)) return reply(response, engine.bind(body))
    const kind = collections[collection]
    if (id === undefined && kind !== undefined && isFollowUp(body)) return deliver(response, body.key, engine.followUp(kind, body))
    return send(response, 400, { status: 'refused', reason: 'the body cannot be used here' })
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://sandbox')
    const path = url.pathname.split('/').slice(1).map(decodeURIComponent)
    const exchange: Exchange = { url, path, request, response }
    if (request.method === 'GET') return read(exchange)
    return request.method === 'POST' ? act(exchange) : noSuchPath(response)
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
  place.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: place.url,
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

interface Exchange {
  readonly url: URL
  readonly path: readonly string[]
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** `/log` is all of it; `/log?after=0&limit=1000` a page, with `next` to go on from while there is more. */
function sendLog(engine: SandboxEngine, url: URL, response: ServerResponse): void {
  const { forgotten, movements } = engine.log()
  const [after, limit] = [url.searchParams.get('after'), url.searchParams.get('limit')].map((text) =>
    text === null ? undefined : Number(text),
  )
  if (after === undefined && limit === undefined) return send(response, 200, { forgotten, movements })
  const most = Math.min(Math.max(1, limit ?? 1_000), pageMost)
  if (!Number.isSafeInteger(after ?? 0) || !Number.isSafeInteger(most))
    return send(response, 400, { status: 'refused', reason: 'after and limit are whole numbers' })
  const rest = movements.filter(({ sequence }) => sequence > (after ?? 0))
  const page = rest.slice(0, most)
  return send(response, 200, { forgotten, movements: page, next: rest.length > page.length ? (page.at(-1)?.sequence ?? null) : null })
}

/** `2026-03-02.csv`, with `?defects=none` for one without planted ones; `2026-03-02.defects.json` tells of them. */
function sendSettlement(engine: SandboxEngine, { url, file, response }: { url: URL; file: string; response: ServerResponse }): void {
  const [, day, what] = /^(\d{4}-\d\d-\d\d)\.(csv|defects\.json)$/.exec(file) ?? []
  if (day === undefined) return noSuchPath(response)
  const traffic: Traffic = url.searchParams.get('traffic') === 'shadow' ? 'shadow' : 'live'
  const written = writeSettlement(engine, { day, traffic, defects: url.searchParams.get('defects') !== 'none' })
  if (what !== 'csv') return send(response, 200, { batch: written.batch, defects: written.defects })
  response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8' })
  response.end(written.file)
}

function showPage(engine: SandboxEngine, ref: string, response: ServerResponse): void {
  const { name } = engine.profile
  const found = engine.pageOf(ref)
  if (found === undefined) return sendPage(response, 404, endedPage(name, 'There is no payment under this address.'))
  const { status } = 'charge' in found ? found.charge : found.binding
  if (status !== 'requires_action') return sendPage(response, 200, endedPage(name, 'This has been answered. You may close the page.'))
  sendPage(response, 200, 'charge' in found ? chargePage(name, found.charge) : bindingPage(name, found.binding))
}

function pressButton(engine: SandboxEngine, { ref, text, response }: { ref: string; text: string; response: ServerResponse }): void {
  const action = new URLSearchParams(text).get('action')
  const found = engine.pageOf(ref)
  if (found === undefined || (action !== 'approve' && action !== 'decline')) return showPage(engine, ref, response)
  const { returnUrl } = 'charge' in found ? found.charge : found.binding
  // Pressed twice it goes back all the same: the first press decided.
  engine.customerActs(ref, action)
  const back = backTo(returnUrl, ref)
  if (back === undefined) return sendPage(response, 200, endedPage(engine.profile.name, 'Thank you. You may close the page.'))
  response.writeHead(303, { location: back }).end()
}

/** By the ref of the charge, or by the reference that the customer types at his bank. */
function payIn(engine: SandboxEngine, ref: string, response: ServerResponse): void {
  const found = engine.pageOf(ref) ?? engine.pageOf(engine.transferUnder(ref) ?? '')
  if (found === undefined || !('charge' in found) || found.charge.means !== 'transfer') return noSuchPath(response)
  const { key } = found.charge
  if (!engine.customerActs(refOf('charge', key), 'approve'))
    return send(response, 422, { status: 'refused', reason: 'nothing is waited for under this reference' })
  return send(response, 200, { status: 'paid', reference: transferReferenceOf(key) })
}

const noSuchPath = (response: ServerResponse): void => send(response, 404, { status: 'refused', reason: 'no such path' })

function reply(response: ServerResponse, { httpStatus, body }: WireAnswer): void {
  send(response, httpStatus, body ?? { status: 'refused', reason: httpStatus === 404 ? 'nothing under this key' : 'no answer' })
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  })
  response.end(page)
}
