import type { FastifyInstance } from 'fastify'
import type { ContextDatabase, Scope } from '#platform/database.ts'
import { EventStreams } from '#platform/event-streams.ts'
import { isOperational } from '#platform/sql-retry.ts'
import type { Tracking } from '#tracking'

export interface PublicPages {
  /** Open streams. */
  readonly count: number
  /** Ends all streams; an HTTP server that closes would wait for them. */
  close(): void
}

export interface PublicPagesOptions {
  readonly tracking: Pick<Tracking, 'publicPage' | 'publicVersions' | 'publicContents'>
  readonly database: ContextDatabase
  readonly log: { warn(facts: object, message: string): void }
  /** Open pages at once, in this process. */
  readonly mostStreams?: number
}

const live: Scope = { traffic: 'live', rehearsalId: null }
/**
 * One question for all open pages together, so often: 1,000 links are a few milliseconds of an index. A notification from the database would be faster by a fifth
 * of a second, and would cost a connection, a statement for each fact, and silence when the connection is lost.
 */
const pollMs = 200
const standardMostStreams = 5_000
/** As many people as may look after one parcel. */
const mostPerLink = 25
const readerRetryMs = 3_000

/** The page behind a public link, and its stream of updates: server-sent events whose id is the version of what they show. */
export function mountPublicPages(app: FastifyInstance, options: PublicPagesOptions): PublicPages {
  const { tracking, database, log, mostStreams = standardMostStreams } = options
  const streams = new EventStreams({ most: mostStreams, mostPerKey: mostPerLink, heartbeatMs: 20_000, longestMs: 3_600_000 })
  /** The version that each open link has been sent. */
  const sent = new Map<string, number>()
  let closed = false
  let timer: NodeJS.Timeout | undefined

  const look = async (): Promise<void> => {
    const tokens = streams.keys()
    for (const token of sent.keys()) if (streams.of(token).length === 0) sent.delete(token)
    if (tokens.length > 0) {
      const versions = await database.read(live, (context) => tracking.publicVersions(context, tokens))
      const changed = tokens.filter((token) => (versions.get(token) ?? 0) !== sent.get(token))
      if (changed.length > 0) {
        const contents = await database.read(live, (context) => tracking.publicContents(context, changed))
        for (const token of changed) {
          const version = versions.get(token)
          const content = contents.get(token)
          if (version === undefined || content === undefined) continue
          sent.set(token, version)
          for (const stream of streams.of(token)) stream.send(String(version), content)
        }
      }
    }
  }
  const next = (): void => {
    timer = undefined
    if (closed || streams.count === 0) return
    timer = setTimeout(() => {
      look()
        .catch((error: unknown) => {
          // The database is away: open pages keep what they show, and are told when it is back.
          if (!isOperational(error)) log.warn({ err: error }, 'open pages could not be brought up to date')
        })
        .finally(next)
    }, pollMs)
  }

  app.get<{ Params: { token: string } }>('/t/:token', async (request, reply) => {
    const page = await database.read(live, (context) => tracking.publicPage(context, request.params.token))
    return reply.code(page.status).headers(page.headers).send(page.body)
  })
  app.get<{ Params: { token: string }; Querystring: Record<string, unknown> }>(
    '/t/:token/live',
    { exposeHeadRoute: false },
    async (request, reply) => {
      const { token } = request.params
      const [version] = (await database.read(live, (context) => tracking.publicVersions(context, [token]))).values()
      // 204 ends a stream for good: its reader does not come again.
      if (version === undefined) return reply.code(204).send()
      if (!streams.hasRoom(token)) return reply.code(503).header('retry-after', '60').send()
      // A reader that was cut off says what it had; one that has just loaded its page says it in the address.
      const had = request.headers['last-event-id'] ?? request.query['since']
      reply.hijack()
      const stream = streams.open(token, reply.raw, readerRetryMs)
      if (!sent.has(token)) sent.set(token, version)
      if (had !== String(version)) {
        const content = await database
          .read(live, (context) => tracking.publicContents(context, [token]))
          .catch(() => new Map<string, string>())
        const now = content.get(token)
        if (now !== undefined) stream.send(String(version), now)
      }
      if (timer === undefined) next()
      return reply
    },
  )

  return {
    get count() {
      return streams.count
    },
    close() {
      closed = true
      clearTimeout(timer)
      streams.close()
    },
  }
}
