import { Breaker } from '#platform/aspects/breaker.ts'
import type { Traffic } from '#platform/request-context.ts'

/** Calls in a row that must have had no answer, or no gateway, before it is left out of the choice. */
const failuresToOpen = 5
const openForMs = 15_000

/** Which gateways are known to be down: a breaker for each gateway and traffic, so that a rehearsal can not take one from live. */
export class GatewayHealth {
  readonly #breakers = new Map<string, Breaker>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** A decline is an answer; only silence and a closed door count against a gateway. */
  note(traffic: Traffic, gateway: string, outcome: string): void {
    const failed = outcome === 'unreachable' || outcome === 'unknown'
    const known = this.#breakers.get(`${traffic} ${gateway}`)
    if (known === undefined && !failed) return
    const breaker = known ?? new Breaker({ failuresToOpen, openForMs, nowMs: this.#nowMs })
    if (known === undefined) this.#breakers.set(`${traffic} ${gateway}`, breaker)
    if (failed) breaker.failed()
    else breaker.succeeded()
  }

  isDown(traffic: Traffic, gateway: string): boolean {
    return this.#breakers.get(`${traffic} ${gateway}`)?.refusal() !== undefined
  }
}
