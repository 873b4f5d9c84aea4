import type { Clock } from '#kernel/time.ts'
import type { Traffic } from '#platform/request-context.ts'
import { drawOf } from './draws.ts'
import { type SandboxName, type SandboxProfile, sandboxProfiles } from './profiles.ts'
import { type SandboxServer, startSandboxServer } from './server.ts'
import type { WebhookTarget } from './webhook-sender.ts'

export interface SandboxPgsOptions {
  /** Which ones, by name or with changed ways; all four unless told. */
  readonly profiles?: readonly (SandboxName | SandboxProfile)[]
  /** Each draws from it by its own name, so that they do not fail in step. */
  readonly seed: number
  readonly clock: Clock
  /** The first listens here, the next ones on the ports after it. 0 or absent: free ports. */
  readonly port?: number
  /** The same for all, or one each. */
  readonly webhookSecret: string | ((name: string) => string)
  /** Where the webhooks of each go, such as `…/v1/payments/webhooks/<name>`. */
  readonly targets?: (name: string) => Partial<Record<Traffic, WebhookTarget>>
}

export interface SandboxPgs {
  readonly servers: ReadonlyMap<string, SandboxServer>
  close(): Promise<void>
}

/** Starts several sandbox PGs as HTTP servers of this process; all or none. */
export async function startSandboxPgs(options: SandboxPgsOptions): Promise<SandboxPgs> {
  const { seed, clock, port = 0, webhookSecret, targets } = options
  const profiles = (options.profiles ?? Object.values(sandboxProfiles)).map((profile) =>
    typeof profile === 'string' ? sandboxProfiles[profile] : profile,
  )
  const servers = new Map<string, SandboxServer>()
  const close = async (): Promise<void> => {
    await Promise.all([...servers.values()].map((server) => server.close()))
  }
  try {
    for (const profile of profiles) {
      const { name } = profile
      if (servers.has(name)) throw new Error(`Two sandbox PGs cannot both be called ${name}.`)
      const server = await startSandboxServer({
        seed: seedOf(seed, name),
        clock,
        profile,
        targets: targets?.(name) ?? {},
        port: port === 0 ? 0 : port + servers.size,
        webhookSecret: typeof webhookSecret === 'string' ? webhookSecret : webhookSecret(name),
      })
      servers.set(name, server)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { servers, close }
}

const seedOf = (seed: number, name: string): number => Math.floor(drawOf(seed, `seed of ${name}`) * 2 ** 31)
