import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'
import type { GuardedGateway } from './gateway.ts'
import type { GatewayHealth } from './gateway-health.ts'
import type { GatewayMix } from './gateway-mix.ts'
import type { BookRules, StoreRules } from './payment-book.ts'
import { type Choosing, rankGateways } from './selector.ts'

/** All current mixes, if there are more of them than the reader has seen: nearly always no row at all. */
const readMixes = statement<{ storeId: string; version: number; mix: GatewayMix; versions: number }>(
  'payments.read_mixes',
  `with seen as materialized (select count(*)::integer as versions from payments.gateway_mix)
   select distinct on (store_id) store_id as "storeId", version, mix, seen.versions from payments.gateway_mix cross join seen
   where seen.versions <> $1 order by store_id, version desc`,
)

/** How old a mix may be when it chooses: another process has put a new one. */
const keepMs = 1_000
/** Payments under way whose end is waited for; the oldest of more are taken as paid. */
const underWayMost = 100_000
/** A transaction that has not been committed after so long was rolled back. */
const uncertainMs = 60_000

export interface Choice {
  readonly gateway: string
  readonly mixVersion: number | null
  /** The window in which this payment counts; null where nothing is counted. */
  readonly window: string | null
}

export interface ChooseOptions extends Choosing {
  readonly storeId: string
  /** The token works at this gateway only. */
  readonly bound?: string | null
  /** Another leg of the same payment is there already. */
  readonly prefer?: string | null
  /** Gateways that this leg has been to. */
  readonly tried?: readonly string[]
}

interface StoreMix {
  readonly version: number
  readonly mix: GatewayMix
}

interface OfTraffic {
  untilMs: number
  versions: number
  readonly stores: Map<string, StoreMix>
}

const standardRules: StoreRules = { refundPolicy: 'last_first', failedRefund: 'manual' }

/**
 * The mixes of all stores as of at most a second ago, and how many payments each gateway has of a store. Counts live in this
 * process: with n processes each keeps its own shares, and all together are within n payments of the target.
 */
export class Mixes {
  readonly #gateways: ReadonlyMap<string, GuardedGateway>
  readonly #health: GatewayHealth
  readonly #traffics = new Map<Traffic, OfTraffic>()
  readonly #windows = new Map<string, Map<string, number>>()
  readonly #underWay = new Map<string, Choice>()
  /** Choices of transactions that are not committed yet. */
  readonly #uncertain = new Map<WriteContext, { readonly choices: Choice[]; readonly sinceMs: number }>()

  constructor(gateways: ReadonlyMap<string, GuardedGateway>, health: GatewayHealth) {
    this.#gateways = gateways
    this.#health = health
  }

  async refresh(context: ReadContext): Promise<void> {
    const of = this.#of(context.traffic)
    const nowMs = performance.now()
    if (of.untilMs > nowMs) return
    this.#forgetRolledBack(nowMs)
    // The first reading is waited for by all; later ones are made by one batch while others go on with what was read before.
    if (of.versions >= 0) of.untilMs = nowMs + keepMs
    const rows = await context.query(readMixes, [of.versions])
    for (const { storeId, version, mix } of rows) of.stores.set(storeId, { version, mix })
    of.versions = rows[0]?.versions ?? Math.max(0, of.versions)
    of.untilMs = nowMs + keepMs
  }

  /** A mix was put by this process. */
  outdated(traffic: Traffic): void {
    this.#of(traffic).untilMs = 0
  }

  mixOf(traffic: Traffic, storeId: string): StoreMix | undefined {
    return this.#of(traffic).stores.get(storeId)
  }

  /**
   * The gateway for a leg's next attempt; undefined when none here takes this means. It counts at once, so that a batch is spread
   * as single payments would be; a choice that is not used is given back with `release`.
   */
  choose(context: WriteContext, options: ChooseOptions): Choice | undefined {
    const choice = this.#find(context.traffic, options)
    if (choice?.window == null) return choice
    this.#count(choice, 1)
    const uncertain = this.#uncertain.get(context)
    if (uncertain !== undefined) uncertain.choices.push(choice)
    else {
      this.#uncertain.set(context, { choices: [choice], sinceMs: performance.now() })
      context.afterCommit(() => this.#uncertain.delete(context))
    }
    return choice
  }

  release(choice: Choice | null): void {
    if (choice?.window == null) return
    this.#count(choice, -1)
    for (const { choices } of this.#uncertain.values()) {
      const at = choices.indexOf(choice)
      if (at >= 0) choices.splice(at, 1)
    }
  }

  #find(traffic: Traffic, options: ChooseOptions): Choice | undefined {
    const { means, bound, prefer, tried = [] } = options
    const takes = (name: string): boolean => this.#gateways.get(name)?.means.includes(means) ?? false
    if (bound != null) return takes(bound) ? { gateway: bound, mixVersion: null, window: null } : undefined
    const known = this.mixOf(traffic, options.storeId)
    const isUp = (name: string): boolean => takes(name) && !this.#health.isDown(traffic, name)
    // Where all are down or were tried, one of them is asked again: a payment that nobody tries can not succeed.
    for (const candidates of [isUp, takes]) {
      for (const isLeft of [(name: string) => candidates(name) && !tried.includes(name), candidates]) {
        const choice = this.#among(known, options, { traffic, candidates, isLeft })
        if (choice !== undefined) return prefer != null && isLeft(prefer) ? { ...choice, gateway: prefer } : choice
      }
    }
    return undefined
  }

  /** The attempt's choice is under way. */
  sent(traffic: Traffic, attemptId: number, choice: Choice): void {
    if (choice.window === null) return
    this.#underWay.set(`${traffic} ${attemptId}`, choice)
    if (this.#underWay.size <= underWayMost) return
    for (const oldest of this.#underWay.keys()) {
      this.#underWay.delete(oldest)
      return
    }
  }

  /** An attempt has its end. One that took nothing does not count for its gateway any more, so the next payment is due there. */
  ended(traffic: Traffic, attemptId: number, took: boolean): void {
    if (this.#underWay.size === 0) return
    const key = `${traffic} ${attemptId}`
    const choice = this.#underWay.get(key)
    if (choice === undefined) return
    this.#underWay.delete(key)
    if (!took) this.#count(choice, -1)
  }

  /** What settling has to know of stores. */
  rules(traffic: Traffic): BookRules {
    return {
      hasWallet: this.#gateways.get('wallet')?.credit !== undefined,
      rulesOf: (storeId) => {
        const mix = this.mixOf(traffic, storeId)?.mix
        if (mix === undefined) return standardRules
        return {
          refundPolicy: mix.refundPolicy ?? standardRules.refundPolicy,
          failedRefund: mix.failedRefund ?? standardRules.failedRefund,
        }
      },
      hasAnotherGateway: (storeId, means, tried) => {
        const listed = this.mixOf(traffic, storeId)?.mix.gateways.map(({ gateway }) => gateway) ?? []
        const takes = (name: string): boolean => this.#gateways.get(name)?.means.includes(means) ?? false
        // Without a mix the first gateway takes all, and failing over to another one is nobody's decision.
        return new Set(listed.filter(takes)).size > tried
      },
    }
  }

  #among(
    known: StoreMix | undefined,
    options: ChooseOptions,
    who: { readonly traffic: Traffic; readonly candidates: (name: string) => boolean; readonly isLeft: (name: string) => boolean },
  ): Choice | undefined {
    const { traffic, candidates, isLeft } = who
    if (known !== undefined) {
      const { mix, version } = known
      const set = mix.strategy === 'ratio' ? mix.gateways.filter(({ gateway }) => candidates(gateway)).map(({ gateway }) => gateway) : []
      // A window for each set of gateways: one that was down does not get all the payments that it missed when it is back. What
      // was tried counts among them, for a failover has to be paid back.
      const window = set.length > 1 ? `${traffic} ${options.storeId} ${version} ${set.join()}` : null
      const [gateway] = rankGateways(mix, options, (window === null ? undefined : this.#windows.get(window)) ?? noCounts, isLeft)
      if (gateway !== undefined) return { gateway, mixVersion: version, window }
    }
    for (const name of this.#gateways.keys()) if (isLeft(name)) return { gateway: name, mixVersion: null, window: null }
    return undefined
  }

  #count({ window, gateway }: Choice, by: 1 | -1): void {
    if (window === null) return
    let counts = this.#windows.get(window)
    if (counts === undefined) this.#windows.set(window, (counts = new Map()))
    counts.set(gateway, (counts.get(gateway) ?? 0) + by)
  }

  /** Choices of transactions that were never committed do not count for ever. */
  #forgetRolledBack(nowMs: number): void {
    for (const [context, { choices, sinceMs }] of this.#uncertain) {
      if (nowMs - sinceMs < uncertainMs) continue
      this.#uncertain.delete(context)
      for (const choice of choices) this.#count(choice, -1)
    }
  }

  #of(traffic: Traffic): OfTraffic {
    let of = this.#traffics.get(traffic)
    if (of === undefined) this.#traffics.set(traffic, (of = { untilMs: 0, versions: -1, stores: new Map() }))
    return of
  }
}

const noCounts: ReadonlyMap<string, number> = new Map()
