import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { EventStreams, type EventStreamsOptions } from './event-streams.ts'

let server: Server | undefined
let streams: EventStreams | undefined
afterEach(async () => {
  streams?.close()
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
})

/** A server whose path is the key of the stream; 503 where there is no room. */
async function openServer(
  options: Partial<EventStreamsOptions> = {},
): Promise<(key: string) => Promise<{ answer: IncomingMessage; text: () => string }>> {
  const opened = new EventStreams({ most: 100, mostPerKey: 100, heartbeatMs: 60_000, longestMs: 60_000, ...options })
  streams = opened
  server = createServer((request, response) => {
    const key = request.url ?? ''
    if (opened.hasRoom(key)) opened.open(key, response, 1_000)
    else response.writeHead(503).end()
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return (key) =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: key, agent: false }, (answer) => {
        let read = ''
        answer.on('data', (chunk: Buffer) => (read += chunk.toString('utf8')))
        answer.on('error', () => undefined)
        resolve({ answer, text: () => read })
      }).on('error', reject)
    })
}

describe('streams of server-sent events', () => {
  it('carry events with an id, and text of several lines whole', async () => {
    const open = await openServer()
    const { answer, text } = await open('/a')
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    for (const stream of streams?.of('/a') ?? []) stream.send('7', 'one\ntwo')
    await expect.poll(text).toBe('retry: 1000\n\nid: 7\ndata: one\ndata: two\n\n')
  })

  it('are bounded, in all and by key, and give their place back when their reader goes', async () => {
    const open = await openServer({ most: 3, mostPerKey: 2 })
    const first = await open('/a')
    await open('/a')
    expect((await open('/a')).answer.statusCode).toBe(503)
    await open('/b')
    expect((await open('/c')).answer.statusCode).toBe(503)
    expect(streams?.count).toBe(3)
    first.answer.destroy()
    await expect.poll(() => streams?.count).toBe(2)
    expect((await open('/a')).answer.statusCode).toBe(200)
    expect(streams?.keys().toSorted()).toEqual(['/a', '/b'])
  })

  it('take no place for a reader that went before they were opened', async () => {
    const opened = new EventStreams({ most: 1, mostPerKey: 1, heartbeatMs: 60_000, longestMs: 60_000 })
    streams = opened
    const gone = await new Promise<ServerResponse>((resolve) => {
      const hung = createServer((request, response) => {
        response.once('close', () => resolve(response))
        request.socket.destroy()
      })
      server = hung
      hung.listen(0, '127.0.0.1', () => {
        get({ port: (hung.address() as AddressInfo).port, agent: false }).on('error', () => undefined)
      })
    })
    opened.open('/a', gone, 1_000).send('1', 'too late')
    expect([opened.count, opened.keys(), opened.hasRoom('/a')]).toEqual([0, [], true])
  })

  it('say nothing now and then, and end after their longest time', async () => {
    const open = await openServer({ heartbeatMs: 20, longestMs: 150 })
    const { answer, text } = await open('/a')
    await expect.poll(text).toContain(':\n\n')
    await expect.poll(() => answer.complete).toBe(true)
    await expect.poll(() => streams?.count).toBe(0)
  })

  it('let go of a reader that does not take what it is sent', async () => {
    const open = await openServer()
    const { answer } = await open('/slow')
    answer.pause()
    // The kernel takes some megabytes before anything is left lying here.
    const page = 'x'.repeat(2_000_000)
    await expect
      .poll(() => {
        for (const stream of streams?.of('/slow') ?? []) stream.send('1', page)
        return streams?.count
      })
      .toBe(0)
  })

  it('are all ended at close, and none is opened after', async () => {
    const open = await openServer()
    const both = await Promise.all([open('/a'), open('/b')])
    streams?.close()
    await expect.poll(() => both.every(({ answer }) => answer.complete)).toBe(true)
    expect(streams?.hasRoom('/a')).toBe(false)
  })
})
