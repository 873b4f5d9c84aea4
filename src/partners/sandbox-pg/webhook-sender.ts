import type { Clock } from '#kernel/time.ts'
import type { Traffic } from '#platform/request-context.ts'
import type { Happening } from './engine.ts'
import { signWebhook } from './webhook-signature.ts'
import type { WirePayload } from './wire.ts'

export interface WebhookTarget {
  readonly url: string
  /** Sent along, such as the signed header that marks shadow traffic. */
  readonly headers?: Readonly<Record<string, string>>
}

/** What real gateways do to webhooks, as shares of all: drawn by seed and event. */
export interface WebhookFaults {
  readonly lost: number
  readonly repeated: number
  /** Each webhook waits up to this long, so that they overtake each other. */
  readonly reorderMs: number
}

const waitingMost = 10_000
const triesMost = 5

/** Sends signed webhooks: each until it is answered by 2xx or has been tried five times, some twice, some late, some never. */
export function openWebhookSender(options: {
  secret: string
  clock: Clock
  draw: (text: string) => number
  targets: Partial<Record<Traffic, WebhookTarget>>
  faults: Partial<WebhookFaults>
}) {
  const { lost = 0, repeated = 0, reorderMs = 0 } = options.faults
  const timers = new Set<NodeJS.Timeout>()
  let underWay = 0
  let closed = false

  const later = (ms: number, work: () => void): void => {
    if (closed) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }

  const post = async (happening: Happening, attempt: number): Promise<void> => {
    const target = options.targets[happening.traffic]
    if (target === undefined || closed) return
    const { eventId, kind, key, httpStatus, body, won } = happening
    const payload: WirePayload = { kind, key, httpStatus, body, ...(won === undefined ? {} : { won }) }
    const signed = signWebhook(options.secret, { id: eventId, sentAt: options.clock.now(), body: JSON.stringify(payload) })
    underWay += 1
    const taken = await fetch(target.url, {
      method: 'POST',
      headers: { ...signed.headers, ...target.headers },
      body: signed.body,
      signal: AbortSignal.timeout(5_000),
    }).then(
      async (response) => {
        await response.arrayBuffer()
        return response.ok
      },
      () => false,
    )
    underWay -= 1
    if (!taken && attempt < triesMost) later(50 * 2 ** attempt, () => void post(happening, attempt + 1))
  }

  return {
    send(happening: Happening): void {
      if (options.targets[happening.traffic] === undefined || closed) return
      const { eventId } = happening
      // Past the bound webhooks are lost, which receivers must stand anyway; a queue without end they need not.
      if (timers.size + underWay >= waitingMost || options.draw(`lost ${eventId}`) < lost) return
      const times = options.draw(`repeated ${eventId}`) < repeated ? 3 : 1
      for (let time = 1; time <= times; time += 1) {
        later(options.draw(`order ${time} ${eventId}`) * reorderMs, () => void post(happening, 1))
      }
    },
    sendTo(traffic: Traffic, target: WebhookTarget): void {
      options.targets[traffic] = target
    },
    waiting: () => timers.size + underWay,
    close(): void {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}
