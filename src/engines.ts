import { mkdir } from 'node:fs/promises'
import type { Config } from '#platform/config.ts'
import { type DatabaseServer, databaseNames, describeDatabaseServer } from '#platform/database-server.ts'
import { startEmbeddedPostgres } from '#platform/embedded-postgres.ts'
import { openSecrets, type Secrets } from '#platform/secrets.ts'

/** The database server in use, and how to leave it: the embedded one, or one of the user's own by DATABASE_URL. */
export interface Engines {
  readonly server: DatabaseServer
  readonly secrets: Secrets
  /** A sentence for the start-up print. */
  readonly about: string
  /** Process id of the embedded server. */
  readonly postgresPid?: number
  close(): Promise<void>
}

export async function openEngines(config: Config, note: (message: string) => void): Promise<Engines> {
  await mkdir(config.dataDir, { recursive: true })
  const secrets = await openSecrets(config)
  if (config.databaseUrl !== undefined) {
    const live = new URL(config.databaseUrl).pathname.slice(1) || databaseNames.live
    const server = describeDatabaseServer({
      adminUrl: config.databaseUrl,
      ...(config.shadowDatabaseUrl === undefined ? {} : { shadowAdminUrl: config.shadowDatabaseUrl }),
      databases: { live, shadow: `${live}_shadow` },
      roleSecret: secrets.roleSecret,
    })
    return { server, secrets, about: 'PostgreSQL of DATABASE_URL', close: async () => undefined }
  }
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, note })
  const server = describeDatabaseServer({
    adminUrl: embedded.adminUrl,
    ...(embedded.socketFolder === undefined ? {} : { socketFolder: embedded.socketFolder }),
    roleSecret: secrets.roleSecret,
  })
  return {
    server,
    secrets,
    about: `embedded PostgreSQL ${embedded.kind} on 127.0.0.1:${embedded.port}, data in ${embedded.dataDir}`,
    postgresPid: embedded.pid,
    close: () => embedded.stop(),
  }
}
