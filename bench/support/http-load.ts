import { connect, type Socket } from 'node:net'

/** One request to make: everything after it is the driver's work. */
export interface LoadRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface LoadOptions {
  readonly host: string
  readonly port: number
  readonly clients: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** At most one request of a client in this time; without it, the next as soon as the answer is there. */
  readonly everyMs?: number
  /** The next request; called once a request, so that every order is another one. */
  readonly next: (client: number) => LoadRequest
  /** Called for every answer, with the body's text. */
  readonly answered: (status: number, body: string) => void
}

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
}

/**
 * A closed-loop HTTP/1.1 driver on bare sockets: `clients` connections, each with one request under way. It shares two
 * cores with what it measures, so it must be cheap: no library client, one write and one parse a request.
 */
export async function driveHttp(options: LoadOptions): Promise<LoadResult> {
  const started = performance.now()
  const measureFrom = started + options.warmUpSeconds * 1000
  const endAt = measureFrom + options.seconds * 1000
  const latencies: number[] = []
  let errors = 0
  await Promise.all(
    Array.from({ length: options.clients }, (_, client) =>
      driveOne(options, client, endAt, (status, body, startedMs, endedMs) => {
        options.answered(status, body)
        if (status >= 400 || status === 0) errors += 1
        if (startedMs >= measureFrom && endedMs <= endAt) latencies.push(endedMs - startedMs)
      }),
    ),
  )
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
  return { requests: latencies.length, perSecond: latencies.length / options.seconds, p50Ms: at(0.5), p99Ms: at(0.99), errors }
}

const empty = Buffer.alloc(0)

type Answered = (status: number, body: string, startedMs: number, endedMs: number) => void

function driveOne(options: LoadOptions, client: number, endAt: number, answered: Answered): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ host: options.host, port: options.port, noDelay: true })
    let startedMs = 0
    let pending: Buffer = empty
    const send = (): void => {
      startedMs = performance.now()
      if (startedMs >= endAt) {
        socket.end()
        return
      }
      const { method, path, headers, body } = options.next(client)
      let text = `${method} ${path} HTTP/1.1\r\nhost: ${options.host}\r\n`
      for (const name in headers) text += `${name}: ${headers[name]}\r\n`
      if (body !== '') text += `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
      socket.write(`${text}\r\n${body}`)
    }
    socket.on('connect', send)
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      const text = pending.toString('latin1')
      const headEnd = text.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      // Fastify writes this header in lower case.
      const lengthAt = text.indexOf('content-length: ')
      const length = lengthAt === -1 || lengthAt > headEnd ? 0 : Number.parseInt(text.slice(lengthAt + 16, lengthAt + 26), 10)
      if (pending.length < headEnd + 4 + length) return
      const body = text.slice(headEnd + 4, headEnd + 4 + length)
      pending = empty
      answered(Number(text.slice(9, 12)), body, startedMs, performance.now())
      const restMs = startedMs + (options.everyMs ?? 0) - performance.now()
      if (restMs > 0) setTimeout(send, restMs)
      else send()
    })
    socket.on('error', () => {
      answered(0, '', startedMs, performance.now())
    })
    socket.on('close', () => resolve())
  })
}
