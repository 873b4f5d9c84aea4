import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { WebhookRequest } from '#payments'

/** A real server that takes webhooks as they come, for tests of whoever sends them. */
export interface WebhookReceiver {
  readonly url: string
  readonly received: WebhookRequest[]
  /** What the next ones are answered. */
  answerWith(status: () => number): void
  close(): Promise<void>
}

export async function openWebhookReceiver(): Promise<WebhookReceiver> {
  const received: WebhookRequest[] = []
  let status = () => 200
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      received.push({ headers, body: Buffer.concat(chunks).toString('utf8') })
      response.writeHead(status()).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`,
    received,
    answerWith(next) {
      status = next
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
