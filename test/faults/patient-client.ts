import { setTimeout as delay } from 'node:timers/promises'
import type { StaffDesk, WaitingWaybill } from '#partners/made-city/index.ts'

/** Past this a client gives up on one command: the server did not come back, and the run must end. */
export const answerWithinMs = 90_000

export interface Answer<Body> {
  readonly status: number
  readonly body: Body & { readonly code?: string }
}

export interface PatientClientOptions {
  readonly url: string
  readonly apiKey: string
  readonly retried: () => void
}

export type Call = <Body = object>(method: string, path: string, body?: object, key?: string) => Promise<Answer<Body>>

/** Calls as storefronts should: under an idempotency key, again under the same key until there is an answer. */
export function openPatientClient({ url, apiKey, retried }: PatientClientOptions) {
  const call: Call = async (method, path, body, key) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5_000),
    })
    return { status: response.status, body: (await response.json()) as never }
  }

  /** Sends until there is an answer that is not the world's: a lost connection, 429 and 503 are. */
  const untilAnswered = async <Body>(random: () => number, send: () => Promise<Answer<Body>>): Promise<Answer<Body>> => {
    const deadline = performance.now() + answerWithinMs
    for (;;) {
      const answer = await send().catch(() => undefined)
      // 500 is not retried: "something broke on our side" in answer to a well-formed command is a bug, and shall be seen.
      if (answer !== undefined && answer.status !== 429 && answer.status !== 503) return answer
      if (performance.now() > deadline) return answer ?? { status: 0, body: { code: 'never answered' } as Answer<Body>['body'] }
      retried()
      // Hundreds of callers that ask again at once would keep the server that they wait for from starting.
      await delay(100 + random() * 200)
    }
  }

  return { call, untilAnswered }
}

/** What the city's warehouse and drivers call. A round that is cut off is simply played again: a report names the state it leads to. */
export function deskOf(call: Call, limit: number): StaffDesk {
  return {
    async waiting(state, after) {
      const answer = await call<{ waybills?: WaitingWaybill[] }>('GET', `/v1/waybills?state=${state}&after=${after}&limit=${limit}`)
      return answer.body.waybills ?? []
    },
    async report(moves) {
      const commands = moves.map((input) => ({ input }))
      const answer = await call<{ outcomes?: { status: number }[] }>('POST', '/v1/waybills/updates', { commands })
      return (answer.body.outcomes ?? []).map(({ status }) => status === 200)
    },
  }
}
