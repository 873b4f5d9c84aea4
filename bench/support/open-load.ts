import { connect, type Socket } from 'node:net'
import type { LoadRequest } from './http-load.ts'

export interface OpenLoadOptions {
  readonly host: string
  readonly port: number
  /** Arrivals a second; they do not wait for answers. */
  readonly perSecond: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Numbers in [0, 1) for the gaps between arrivals. */
  readonly random: () => number
  readonly next: () => LoadRequest & { readonly kind: string }
  readonly answered: (kind: string, status: number, body: string) => void
}

export interface OpenLoadResult {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** The slowest hundredth of each kind. */
  readonly p99MsOf: ReadonlyMap<string, number>
  readonly errors: number
  /** What was refused, by kind and answer, with one of the answers. */
  readonly refusals: ReadonlyMap<string, { readonly count: number; readonly body: string }>
  /** Answers that had not come five seconds after the last arrival. */
  readonly unanswered: number
}

interface Call {
  readonly kind: string
  readonly text: string
  /** When it was due: waiting for a free connection is part of what a caller feels. */
  readonly dueMs: number
}

const connectionsMost = 512
const turnMs = 2

/**
 * An open arrival model on bare sockets: requests are sent when they are due by a Poisson process, however many are still
 * without an answer, and each is timed from the moment that it was due.
 */
export async function driveOpen(options: OpenLoadOptions): Promise<OpenLoadResult> {
  const started = performance.now()
  const measureFrom = started + options.warmUpSeconds * 1000
  const endAt = measureFrom + options.seconds * 1000
  const times = new Map<string, number[]>()
  const refusals = new Map<string, { count: number; body: string }>()
  const waiting: Call[] = []
  const idle: Connection[] = []
  let open = 0
  let unanswered = 0
  let errors = 0
  let measured = 0

  const take = (connection: Connection): void => {
    const call = waiting.shift()
    if (call === undefined) idle.push(connection)
    else connection.send(call)
  }
  const answered = (connection: Connection, call: Call, status: number, body: string): void => {
    // Before anything is made of the answer here: that is not what a caller waits for.
    const tookMs = performance.now() - call.dueMs
    unanswered -= 1
    if (status >= 400 || status === 0) {
      errors += 1
      const key = `${call.kind} ${status}`
      refusals.set(key, { count: (refusals.get(key)?.count ?? 0) + 1, body })
    }
    options.answered(call.kind, status, body)
    if (call.dueMs >= measureFrom && call.dueMs < endAt) {
      measured += 1
      const of = times.get(call.kind)
      if (of === undefined) times.set(call.kind, [tookMs])
      else of.push(tookMs)
    }
    if (status === 0) open -= 1
    else take(connection)
  }
  const send = (call: Call): void => {
    unanswered += 1
    // A server closes what has been idle for longer than its keep-alive; a client finds out when it asks for it.
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isOpen()) return connection.send(call)
      open -= 1
    }
    waiting.push(call)
    if (open >= connectionsMost) return
    open += 1
    openConnection(options, take, answered)
  }

  for (let due = started; due < endAt; ) {
    const now = performance.now()
    while (due <= now && due < endAt) {
      const { kind, method, path, headers, body } = options.next()
      let text = `${method} ${path} HTTP/1.1\r\nhost: ${options.host}\r\n`
      for (const name in headers) text += `${name}: ${headers[name]}\r\n`
      if (body !== '') text += `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
      send({ kind, text: `${text}\r\n${body}`, dueMs: due })
      due += (-Math.log(1 - options.random()) * 1000) / options.perSecond
    }
    await new Promise((resolve) => setTimeout(resolve, turnMs))
  }
  for (const deadline = performance.now() + 5_000; unanswered > 0 && performance.now() < deadline; )
    await new Promise((resolve) => setTimeout(resolve, 20))
  for (const connection of idle) connection.close()
  const at = (sorted: readonly number[], share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const all = [...times.values()].flat().toSorted((a, b) => a - b)
  const p99MsOf = new Map(
    [...times].map(([kind, each]) => [
      kind,
      at(
        each.toSorted((a, b) => a - b),
        0.99,
      ),
    ]),
  )
  return { perSecond: measured / options.seconds, p50Ms: at(all, 0.5), p99Ms: at(all, 0.99), p99MsOf, errors, refusals, unanswered }
}

interface Connection {
  isOpen(): boolean
  send(call: Call): void
  close(): void
}

function openConnection(
  { host, port }: OpenLoadOptions,
  ready: (connection: Connection) => void,
  answered: (connection: Connection, call: Call, status: number, body: string) => void,
): void {
  const socket: Socket = connect({ host, port, noDelay: true })
  let call: Call | undefined
  const chunks: Buffer[] = []
  let missing = 0
  let status = 0
  const connection: Connection = {
    isOpen: () => !socket.destroyed && socket.writable,
    send(next) {
      call = next
      socket.write(next.text)
    },
    close: () => socket.destroy(),
  }
  const end = (answer: number, body: string): void => {
    const done = call
    call = undefined
    if (done !== undefined) answered(connection, done, answer, body)
  }
  socket.on('connect', () => ready(connection))
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    if (status === 0) {
      const first = chunks.length === 1 ? chunk : Buffer.concat(chunks)
      const headEnd = first.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const head = first.toString('latin1', 0, headEnd)
      status = Number(head.slice(9, 12))
      chunks.splice(0, chunks.length, first.subarray(headEnd + 4))
      missing = Number.parseInt(/content-length: (\d+)/.exec(head)?.[1] ?? '0', 10) - first.length + headEnd + 4
    } else missing -= chunk.length
    if (missing > 0) return
    const body = (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString()
    const answer = status
    chunks.length = 0
    status = 0
    end(answer, body)
  })
  socket.on('error', () => end(0, ''))
  socket.on('close', () => end(0, ''))
}
