import { Redis } from 'ioredis'
import { type CacheStore, keptMs, type Versioned } from './cache.ts'

/** A read that takes longer is no help: the database answers in less. */
const patienceMs = 50
/** After a failure it is not asked for so long, so that a dead Redis slows one read and not each. */
const restMs = 1_000

// Compare and set of many keys in one round trip. A value is "version:json".
const putScript = `
for i, key in ipairs(KEYS) do
  local before = redis.call('get', key)
  local version = tonumber(ARGV[2 * i])
  local stands = before and tonumber(string.match(before, '^(%d+):'))
  if not stands or stands <= version then redis.call('set', key, ARGV[2 * i] .. ':' .. ARGV[2 * i + 1], 'PX', ARGV[1]) end
end
return #KEYS`

/**
 * In Redis, for any number of processes. A write that did not get there could leave an older value behind it; so after a failure nothing of
 * before is believed any more: this process reads and writes under another name, which all learn by asking Redis for it when it answers again.
 */
export function openRedisStore({
  url,
  log,
}: {
  readonly url: string
  readonly log: { warn(facts: object, message: string): void }
}): CacheStore {
  const redis = new Redis(url, {
    // Nothing waits for a Redis that is away: asked meanwhile, it fails at once.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: patienceMs,
    retryStrategy: (times) => Math.min(100 * times, 2_000),
    lazyConnect: false,
  })
  redis.on('error', () => undefined)
  let restsUntil = 0
  /** What a failure may have left old. */
  let doubtful = false
  let era: string | undefined
  let eraAt = 0

  const isAway = (): boolean => performance.now() < restsUntil || redis.status !== 'ready'
  const failed = (error: unknown): void => {
    if (performance.now() >= restsUntil) log.warn({ err: error }, 'the cache does not answer; the database is asked instead')
    restsUntil = performance.now() + restMs
  }
  /** The name under which everything is kept now: raised by whoever lost a write, and asked again each second by all. */
  const currentEra = async (): Promise<string> => {
    if (doubtful) {
      era = String(await redis.incr(eraKey))
      eraAt = performance.now()
      doubtful = false
    } else if (era === undefined || performance.now() - eraAt > 1_000) {
      era = (await redis.get(eraKey)) ?? '0'
      eraAt = performance.now()
    }
    return era ?? '0'
  }
  const keysIn = (of: string, keys: readonly string[]): string[] => keys.map((key) => `throughline:cache:${of}:${key}`)

  return {
    async get(keys) {
      const none = keys.map(() => undefined)
      if (keys.length === 0 || isAway()) return none
      try {
        const kept = await redis.mget(keysIn(await currentEra(), keys))
        return kept.map((text) => (text === null ? undefined : entryOf(text)))
      } catch (error) {
        failed(error)
        return none
      }
    },
    async put(entries) {
      if (entries.length === 0) return
      if (isAway()) {
        doubtful = true
        return
      }
      try {
        const values = entries.flatMap(([, { version, value }]) => [String(version), JSON.stringify(value)])
        const keys = keysIn(
          await currentEra(),
          entries.map(([key]) => key),
        )
        await redis.eval(putScript, keys.length, ...keys, String(keptMs), ...values)
      } catch (error) {
        doubtful = true
        failed(error)
      }
    },
    close: async () => redis.disconnect(),
  }
}

const eraKey = 'throughline:cache:era'

function entryOf(text: string): Versioned | undefined {
  const at = text.indexOf(':')
  try {
    return { version: Number(text.slice(0, at)), value: JSON.parse(text.slice(at + 1)) }
  } catch {
    return undefined
  }
}
