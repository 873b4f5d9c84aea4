import pg from 'pg'
import { inject } from 'vitest'
import { SettableClock } from '#kernel/time.ts'
import { type ContextName, type Databases, openDatabases, type Scope } from '#platform/database.ts'
import { type DatabaseServer, describeDatabaseServer, grantConnect } from '#platform/database-server.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import { templateNames, testRoleSecret } from '#test/template.ts'

/** A live and a shadow database of one test file's own: clones of the migrated template, gone at close. */
export interface TestDatabases {
  readonly databases: Databases
  readonly clock: SettableClock
  readonly live: Scope
  readonly shadow: Scope
  readonly server: DatabaseServer
  login(traffic: Traffic, context: ContextName): pg.ClientConfig
  /** A superuser's connection into the clone; closed with the rest. */
  admin(traffic: Traffic): Promise<pg.Client>
  close(): Promise<void>
}

let opened = 0

export async function openTestDatabases(): Promise<TestDatabases> {
  const adminUrl = inject('postgresUrl')
  opened += 1
  const suffix = `${process.pid}_${opened}`
  const names: Record<Traffic, string> = { live: `test_${suffix}`, shadow: `test_shadow_${suffix}` }
  // Roles belong to the server, not to a database: the clones are used with the template's roles, given CONNECT anew.
  const server = describeDatabaseServer({ adminUrl, databases: names, rolePrefixes: templateNames, roleSecret: testRoleSecret })
  const maintenance = new pg.Client({ connectionString: adminUrl })
  await maintenance.connect()
  for (const traffic of bothTraffics) {
    await maintenance.query(`create database ${names[traffic]} template ${templateNames[traffic]} strategy file_copy`)
    await grantConnect(maintenance, server, traffic, names[traffic])
  }
  const clock = new SettableClock(new Date('2026-03-02T09:00:00Z'))
  const databases = openDatabases({ login: server.loginFor, clock, maxConnections: 8, statementTimeoutMs: 30_000 })
  const admins: pg.Client[] = []
  return {
    databases,
    clock,
    live: { traffic: 'live', rehearsalId: null },
    shadow: { traffic: 'shadow', rehearsalId: 'rehearsal-1' },
    server,
    login: server.loginFor,
    async admin(traffic) {
      const client = new pg.Client(server.admin(traffic))
      await client.connect()
      admins.push(client)
      return client
    },
    async close() {
      await databases.close()
      for (const client of admins) await client.end()
      for (const traffic of bothTraffics) await maintenance.query(`drop database ${names[traffic]} with (force)`)
      await maintenance.end()
    },
  }
}
