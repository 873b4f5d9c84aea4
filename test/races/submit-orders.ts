/**
 * One process of impatient customers: ten workers who all send each of the orders under its key, in an order of each worker's own.
 * Reads {url, apiKey, orders: [{key, input}], process} from standard input; tells {key, number, status}[] on standard output.
 */
interface Asked {
  readonly url: string
  readonly apiKey: string
  readonly process: number
  readonly orders: readonly { readonly key: string; readonly input: object }[]
}
let text = ''
for await (const chunk of process.stdin) text += String(chunk)
const asked = JSON.parse(text) as Asked
const told: { key: string; number: string; status: number }[] = []
await Promise.all(
  Array.from({ length: 10 }, async (_, worker) => {
    // Neighbours start at neighbouring orders, so that each key is sent by many at the same moment.
    const from = (asked.process + worker) % 3
    for (let at = 0; at < asked.orders.length; at += 1) {
      const order = asked.orders[(at + from) % asked.orders.length]
      if (order === undefined) continue
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const response = await fetch(`${asked.url}/v1/orders`, {
          method: 'POST',
          headers: { authorization: `Bearer ${asked.apiKey}`, 'content-type': 'application/json', 'idempotency-key': order.key },
          body: JSON.stringify(order.input),
        })
        const body = (await response.json()) as { number?: string }
        // Busy is an answer that asks for another try; any other is the end.
        if (response.status === 503 || response.status === 429) continue
        told.push({ key: order.key, number: body.number ?? '', status: response.status })
        break
      }
    }
  }),
)
process.stdout.write(JSON.stringify(told))
