import type { Traffic } from '#platform/request-context.ts'

/** A value with the version of what it was read from or written to. Versions of one key only rise. */
export interface Versioned<T = unknown> {
  readonly version: number
  readonly value: T
}

/**
 * Where values are kept for a while. It is never the authority: whoever decides reads the database. A store answers `undefined` for what it does not
 * have or can not tell, and never keeps a lower version over a higher one, whoever writes first. It never throws.
 */
export interface CacheStore {
  get(keys: readonly string[]): Promise<(Versioned | undefined)[]>
  put(entries: readonly (readonly [key: string, entry: Versioned])[]): Promise<void>
  close(): Promise<void>
}

export interface Cache {
  /**
   * Values by key: from the store, and what it does not have by one call of `load` for all that nobody is loading already. Keys that `load` does not
   * know are left out.
   */
  readThrough<T>(asked: {
    readonly traffic: Traffic
    /** Of what they are, such as `waybill_status`; the name in metrics. */
    readonly what: string
    readonly keys: readonly string[]
    readonly load: (missing: readonly string[]) => Promise<ReadonlyMap<string, Versioned<T>>>
  }): Promise<Map<string, T>>
  /** Writes what was committed; nobody waits for it. */
  writeThrough(traffic: Traffic, what: string, entries: readonly (readonly [key: string, entry: Versioned])[]): void
  close(): Promise<void>
}

export const keptMs = 300_000

export interface CacheOptions {
  readonly store: CacheStore
  readonly observe?: (seen: { readonly traffic: Traffic; readonly what: string; readonly hits: number; readonly misses: number }) => void
}

export function openCache({ store, observe }: CacheOptions): Cache {
  /** What is being loaded, so that many who miss the same key at once ask the database once. */
  const loading = new Map<string, Promise<Versioned | undefined>>()
  const nameOf = (traffic: Traffic, what: string, key: string): string => `${traffic}:${what}:${key}`

  const loadAll = <T>(
    missing: readonly string[],
    {
      traffic,
      what,
      load,
    }: { traffic: Traffic; what: string; load: (keys: readonly string[]) => Promise<ReadonlyMap<string, Versioned<T>>> },
  ): Promise<Versioned | undefined>[] => {
    const fresh = missing.filter((key) => !loading.has(nameOf(traffic, what, key)))
    if (fresh.length > 0) {
      const loaded = load(fresh)
      for (const key of fresh) {
        const name = nameOf(traffic, what, key)
        const one = loaded.then((found) => found.get(key))
        // Whoever waits meets its failure; here it must not count as one that nobody handles.
        one.catch(() => undefined).finally(() => loading.delete(name))
        loading.set(name, one)
      }
      loaded.then(
        (found) => store.put([...found].map(([key, entry]) => [nameOf(traffic, what, key), entry] as const)),
        () => undefined,
      )
    }
    return missing.map((key) => loading.get(nameOf(traffic, what, key)) ?? Promise.resolve(undefined))
  }

  return {
    async readThrough<T>({
      traffic,
      what,
      keys,
      load,
    }: {
      traffic: Traffic
      what: string
      keys: readonly string[]
      load: (missing: readonly string[]) => Promise<ReadonlyMap<string, Versioned<T>>>
    }) {
      const distinct = [...new Set(keys)]
      const kept = await store.get(distinct.map((key) => nameOf(traffic, what, key)))
      const missing = distinct.filter((_, at) => kept[at] === undefined)
      observe?.({ traffic, what, hits: distinct.length - missing.length, misses: missing.length })
      const loaded = await Promise.all(loadAll(missing, { traffic, what, load }))
      const found = new Map<string, T>()
      for (const [at, key] of distinct.entries()) if (kept[at] !== undefined) found.set(key, kept[at].value as T)
      for (const [at, key] of missing.entries()) if (loaded[at] !== undefined) found.set(key, loaded[at].value as T)
      return found
    },
    writeThrough(traffic, what, entries) {
      if (entries.length > 0) void store.put(entries.map(([key, entry]) => [nameOf(traffic, what, key), entry] as const))
    },
    close: () => store.close(),
  }
}

/**
 * In the memory of this process, the least recently used going first. Right for one process that writes: another one's writes are seen when the time is
 * over, so with several processes REDIS_URL is to be set.
 */
export function openMemoryStore({ nowMs, most = 50_000 }: { readonly nowMs: () => number; readonly most?: number }): CacheStore {
  const kept = new Map<string, Versioned & { readonly until: number }>()
  const alive = (key: string) => {
    const entry = kept.get(key)
    if (entry !== undefined && entry.until > nowMs()) return entry
    kept.delete(key)
    return undefined
  }
  return {
    get: (keys) =>
      Promise.resolve(
        keys.map((key) => {
          const entry = alive(key)
          if (entry === undefined) return undefined
          kept.delete(key)
          kept.set(key, entry)
          return { version: entry.version, value: entry.value }
        }),
      ),
    put(entries) {
      for (const [key, { version, value }] of entries) {
        const before = alive(key)
        if (before !== undefined && before.version > version) continue
        kept.delete(key)
        kept.set(key, { version, value, until: nowMs() + keptMs })
        const [oldest] = kept.keys()
        if (kept.size > most && oldest !== undefined) kept.delete(oldest)
      }
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
}
