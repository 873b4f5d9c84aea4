import type { ServerResponse } from 'node:http'

/** One open stream of server-sent events. */
export interface EventStream {
  readonly key: string
  /** Sends an event; a reader that does not take what was sent is let go. */
  send(id: string, data: string): void
}

export interface EventStreamsOptions {
  /** Streams open at once. */
  readonly most: number
  /** Of them with one key. */
  readonly mostPerKey: number
  /** A line that says nothing, so that proxies and phones keep the connection, and gone readers are noticed. */
  readonly heartbeatMs: number
  /** A stream is ended after this long; its reader opens it again with what it has. */
  readonly longestMs: number
}

/** What may lie unsent for one reader; some pages' worth. */
const mostUnsentBytes = 256 * 1024

/**
 * Streams of server-sent events, so many and no more. Each costs a socket and no timer of its own. All are ended at close, which an HTTP server that waits
 * for its answers needs.
 */
export class EventStreams {
  readonly #options: EventStreamsOptions
  readonly #byKey = new Map<string, Set<Stream>>()
  readonly #heartbeat: NodeJS.Timeout
  #count = 0
  #closed = false

  constructor(options: EventStreamsOptions) {
    this.#options = options
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs)
    this.#heartbeat.unref()
  }

  get count(): number {
    return this.#count
  }

  keys(): string[] {
    return [...this.#byKey.keys()]
  }

  of(key: string): readonly EventStream[] {
    return [...(this.#byKey.get(key) ?? [])]
  }

  hasRoom(key: string): boolean {
    return !this.#closed && this.#count < this.#options.most && (this.#byKey.get(key)?.size ?? 0) < this.#options.mostPerKey
  }

  /** Answers with a stream; ask `hasRoom` first. */
  open(key: string, response: ServerResponse, retryMs: number): EventStream {
    const stream = new Stream(key, response, performance.now() + this.#options.longestMs)
    // Its reader went while a database was asked: that it closed has been told and is not told again, so its place would be taken for ever.
    if (response.destroyed) return stream
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx would keep events until a buffer is full.
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    response.write(`retry: ${retryMs}\n\n`)
    const streams = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, streams.add(stream))
    this.#count += 1
    response.once('close', () => {
      this.#count -= 1
      streams.delete(stream)
      if (streams.size === 0 && this.#byKey.get(key) === streams) this.#byKey.delete(key)
    })
    // A reader that goes away in the middle of a write is no error of ours.
    response.on('error', () => undefined)
    return stream
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#heartbeat)
    for (const streams of this.#byKey.values()) for (const stream of streams) stream.end()
  }

  #beat(): void {
    const now = performance.now()
    for (const streams of this.#byKey.values()) {
      for (const stream of streams) {
        if (stream.endsAt <= now) stream.end()
        else stream.write(':\n\n')
      }
    }
  }
}

class Stream implements EventStream {
  readonly key: string
  readonly endsAt: number
  readonly #response: ServerResponse

  constructor(key: string, response: ServerResponse, endsAt: number) {
    this.key = key
    this.endsAt = endsAt
    this.#response = response
  }

  send(id: string, data: string): void {
    const lines = data.split('\n').map((line) => `data: ${line}\n`)
    this.write(`id: ${id}\n${lines.join('')}\n`)
  }

  write(text: string): void {
    if (this.#response.destroyed || this.#response.writableEnded) return
    this.#response.write(text)
    if (this.#response.writableLength > mostUnsentBytes) this.#response.destroy()
  }

  end(): void {
    this.#response.end()
  }
}
