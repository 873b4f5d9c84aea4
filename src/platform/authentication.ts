import { hash, randomBytes } from 'node:crypto'
import { type ContextDatabase, statement } from '#platform/database.ts'
import type { Actor } from '#platform/request-context.ts'

/** API keys: `tl_` and 32 random bytes. The database keeps their hash, their client, their scopes and when they end. */
export interface Authentication {
  /** The actor of an Authorization header; `anonymous` without one; undefined for a key that is unknown, ended or revoked. */
  actorOf(authorization: string | undefined): Actor | undefined | Promise<Actor | undefined>
  /** Makes a key and tells it once. */
  issue(key: {
    readonly id: string
    readonly client: string
    readonly scopes: readonly string[]
    readonly expiresAt?: Date
  }): Promise<string>
  /** Ends a key; false when there is none of this id that could be ended. It is honoured for `keepMs` longer at most. */
  revoke(id: string): Promise<boolean>
  /** Makes sure that a given secret is a key: for the demo's own, which has to survive a new database. */
  ensure(secret: string, key: { readonly id: string; readonly client: string; readonly scopes: readonly string[] }): Promise<void>
}

const anonymous: Actor = { id: 'anonymous', scopes: [] }
/** A revoked key works at most this long on. */
const keepMs = 15_000
const mostKept = 10_000

const find = statement<{ client: string; scopes: string[] }>(
  'platform.find_api_key',
  `select client, scopes from platform.api_key
   where secret_hash = decode($1, 'hex') and revoked_at is null and (expires_at is null or expires_at > $2)`,
)
const insert = statement<{ id: string }>(
  'platform.insert_api_key',
  `insert into platform.api_key (id, secret_hash, client, scopes, created_at, expires_at)
   values ($1, decode($2, 'hex'), $3, $4::text[], $5, $6)
   on conflict (id) do update set secret_hash = excluded.secret_hash, scopes = excluded.scopes, revoked_at = null returning id`,
)

const revoke = statement<{ id: string }>(
  'platform.revoke_api_key',
  'update platform.api_key set revoked_at = $2 where id = $1 and revoked_at is null returning id',
)

export function openAuthentication(platform: ContextDatabase, nowMs: () => number): Authentication {
  // By hash, not by key, so that a dump of our memory holds no usable key longer than its request lasts.
  const known = new Map<string, { actor: Actor | undefined; untilMs: number }>()
  const live = { traffic: 'live', rehearsalId: null } as const

  const store = async (secret: string, id: string, client: string, scopes: readonly string[], expiresAt: Date | null): Promise<void> => {
    await platform.write(live, (context) =>
      context.query(insert, [id, hash('sha256', secret, 'hex'), client, scopes, context.now, expiresAt]),
    )
  }

  return {
    actorOf(authorization) {
      if (authorization === undefined) return anonymous
      const secret = /^Bearer (tl_[\w-]{20,100})$/.exec(authorization)?.[1]
      if (secret === undefined) return undefined
      const digest = hash('sha256', secret, 'hex')
      const kept = known.get(digest)
      if (kept !== undefined && kept.untilMs > nowMs()) return kept.actor
      return platform
        .read(live, (context) => context.query(find, [digest, context.now]))
        .then(([row]) => {
          const actor = row === undefined ? undefined : { id: `key:${row.client}`, scopes: row.scopes }
          // Unknown keys are kept too, so that one wrong key asks once; the oldest makes room, so that guesses can not fill memory.
          const [oldest] = known.keys()
          if (known.size >= mostKept && oldest !== undefined) known.delete(oldest)
          known.set(digest, { actor, untilMs: nowMs() + keepMs })
          return actor
        })
    },
    async issue(key) {
      const secret = `tl_${randomBytes(32).toString('base64url')}`
      await store(secret, key.id, key.client, key.scopes, key.expiresAt ?? null)
      return secret
    },
    async revoke(id) {
      return (await platform.write(live, (context) => context.query(revoke, [id, context.now]))).length > 0
    },
    ensure: (secret, key) => store(secret, key.id, key.client, key.scopes, null),
  }
}
