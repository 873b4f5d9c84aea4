import { setTimeout as delay } from 'node:timers/promises'
import type { ExchangeMessage, Handle } from '#platform/exchange.ts'
import type { Traffic } from '#platform/request-context.ts'

/** How a message ended; `left`: not at all, it is delivered again to whoever comes next. */
export type Settled = { readonly end: 'done' } | { readonly end: 'left' } | { readonly end: 'dead'; readonly reason: string }

export interface Lanes {
  settle(message: ExchangeMessage): Promise<Settled>
  /** Ends waits; what is being handled ends by itself. */
  close(): void
}

/** An unforeseen failure is tried so often before the message is a dead letter. */
const triesMost = 5
const longestPauseMs = 5_000

/**
 * Handles messages: those of one key one after the other, those of different keys at once. A message that fails is tried again in its
 * lane instead of going back to the queue, where the next one of its key would overtake it.
 */
export function openLanes(traffic: Traffic, handle: Handle, { pauseMs = 50 }: { pauseMs?: number } = {}): Lanes {
  const tails = new Map<string, Promise<unknown>>()
  const closing = new AbortController()

  const settle = async (message: ExchangeMessage): Promise<Settled> => {
    let pause = pauseMs
    for (let tries = 1; !closing.signal.aborted; ) {
      const verdict = await handle(message, traffic).catch((error: unknown) => ({ end: 'again' as const, reason: String(error) }))
      if (verdict.end === 'done' || verdict.end === 'dead') return verdict
      if (verdict.end === 'again') {
        if (tries >= triesMost) return { end: 'dead', reason: `failed ${triesMost} times: ${verdict.reason}` }
        tries += 1
      }
      await delay(pause, undefined, { signal: closing.signal }).catch(() => undefined)
      pause = Math.min(2 * pause, longestPauseMs)
    }
    return { end: 'left' }
  }

  return {
    async settle(message) {
      const before = tails.get(message.key) ?? Promise.resolve()
      const mine = before.then(() => settle(message))
      tails.set(message.key, mine)
      const settled = await mine
      if (tails.get(message.key) === mine) tails.delete(message.key)
      return settled
    },
    close: () => closing.abort(),
  }
}
