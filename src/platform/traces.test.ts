import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { runInContext, systemContext } from '#platform/request-context.ts'
import { openTraces } from '#platform/traces.ts'

/** A collector's stand-in: keeps the bodies that reach /v1/traces. */
async function startCollector() {
  const bodies: Buffer[] = []
  const requests: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      requests.push(`${request.method} ${request.url} ${request.headers['content-type']}`)
      bodies.push(Buffer.concat(chunks))
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    received: () => Buffer.concat(bodies),
    close: () => new Promise((closed) => server.close(closed)),
  }
}

test('spans reach the collector with the trace id of the request and whose traffic it was', async () => {
  const collector = await startCollector()
  const traces = await openTraces({ endpoint: `${collector.endpoint}/` })
  const context = systemContext('test', 'shadow', 'rehearsal-42')
  await runInContext(context, () =>
    traces.span('orders.place', { 'batch.size': 32 }, () => traces.span('orders.insert', {}, async () => 'done')),
  )
  await traces.close()
  await collector.close()
  expect(collector.requests).toEqual(['POST /v1/traces application/x-protobuf'])
  const received = collector.received()
  for (const text of ['orders.place', 'orders.insert', 'throughline.traffic', 'shadow', 'rehearsal-42']) {
    expect(received.includes(text), text).toBe(true)
  }
  // Protobuf carries the id as bytes: once in each of the two spans.
  const id = Buffer.from(context.traceId, 'hex')
  expect(received.indexOf(id)).toBeGreaterThan(-1)
  expect(received.indexOf(id, received.indexOf(id) + 1)).toBeGreaterThan(-1)
})

test('an error that leaves a span is thrown on and noted in it', async () => {
  const collector = await startCollector()
  const traces = await openTraces({ endpoint: collector.endpoint })
  await expect(traces.span('payments.charge', {}, () => Promise.reject(new Error('the gateway is away')))).rejects.toThrow(
    'the gateway is away',
  )
  await traces.close()
  await collector.close()
  expect(collector.received().includes('the gateway is away')).toBe(true)
})

test('without an endpoint the work runs and nothing is sent', async () => {
  const traces = await openTraces({ endpoint: undefined })
  expect(await traces.span('orders.place', {}, async () => 7)).toBe(7)
  await traces.close()
})

test('a collector that is away does not fail the work', async () => {
  const collector = await startCollector()
  await collector.close()
  const traces = await openTraces({ endpoint: collector.endpoint })
  expect(await traces.span('orders.place', {}, async () => 7)).toBe(7)
  await traces.close()
})
