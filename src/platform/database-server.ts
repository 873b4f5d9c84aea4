import { createHmac } from 'node:crypto'
import pg from 'pg'
import { type ContextName, contextNames } from '#platform/database.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'

/**
 * The PostgreSQL server that we run on: two databases, live and shadow, and in each one login role per context.
 * An administrator provisions and migrates; the running program only ever logs in with the roles, which have no DDL rights
 * and no way into the other traffic's database (CONNECT is granted on their own only).
 */
export interface DatabaseServer {
  /** The administrator's connection into a traffic's database; for provisioning, migrating and tests. */
  admin(traffic: Traffic, database?: string): pg.ClientConfig
  databaseOf(traffic: Traffic): string
  roleOf(traffic: Traffic, context: ContextName): string
  /** Fits `DatabasesOptions.login`. */
  loginFor(traffic: Traffic, context: ContextName): pg.ClientConfig
}

export interface DatabaseServerOptions {
  /** Administrator's URL: a role that may create databases and roles. Its path is the database to log into for that. */
  readonly adminUrl: string
  /** Folder of the server's socket file, for roles to log in through instead of the URL's host. */
  readonly socketFolder?: string
  /** The server of the shadow database, when it is another one. */
  readonly shadowAdminUrl?: string
  /** `throughline` and `throughline_shadow` unless told. */
  readonly databases?: Readonly<Record<Traffic, string>>
  /** Secret from which the roles' passwords are derived, so that none needs to be stored or handed around. */
  readonly roleSecret: string
  /** Beginnings of the role names when they are not the databases' names (clones of a template keep its roles). */
  readonly rolePrefixes?: Readonly<Record<Traffic, string>>
}

export const databaseNames: Readonly<Record<Traffic, string>> = { live: 'throughline', shadow: 'throughline_shadow' }

export function describeDatabaseServer(options: DatabaseServerOptions): DatabaseServer {
  const databases = options.databases ?? databaseNames
  const prefixes = options.rolePrefixes ?? databases
  const urlOf = (traffic: Traffic): string => (traffic === 'shadow' ? (options.shadowAdminUrl ?? options.adminUrl) : options.adminUrl)
  const roleOf = (traffic: Traffic, context: ContextName): string => `${prefixes[traffic]}_${context}`
  return {
    admin: (traffic, database = databases[traffic]) => ({ ...partsOf(urlOf(traffic)), database, application_name: 'throughline admin' }),
    databaseOf: (traffic) => databases[traffic],
    roleOf,
    loginFor(traffic, context) {
      const user = roleOf(traffic, context)
      const password = createHmac('sha256', options.roleSecret).update(user).digest('base64url')
      const socket = options.socketFolder === undefined ? {} : { host: options.socketFolder }
      return { ...partsOf(urlOf(traffic)), ...socket, database: databases[traffic], user, password }
    },
  }
}

/** Every part of the URL but the path, read by pg itself: it knows percent signs, `sslmode` and what PG* variables add. */
function partsOf(url: string): pg.ClientConfig {
  const read = new pg.Client({ connectionString: url }) as pg.Client & { readonly ssl: pg.ClientConfig['ssl'] }
  const { user, password, host, port, ssl } = read
  return { host, port, ...(user ? { user } : {}), ...(password ? { password } : {}), ...(ssl ? { ssl } : {}) }
}

/** Lock key of provisioning and migrating, so that two starts at once do it one after the other. */
export const migrationLock = 7_244_561

/** Creates what is missing: databases, roles, passwords, who may connect where. Repeats without effect. */
export async function provision(server: DatabaseServer): Promise<void> {
  for (const traffic of bothTraffics) {
    await onMaintenance(server, traffic, async (client) => {
      // Databases and roles belong to the whole server; this lock in the maintenance database covers both.
      await client.query('select pg_advisory_lock($1)', [migrationLock])
      const database = server.databaseOf(traffic)
      const known = await client.query('select 1 from pg_database where datname = $1', [database])
      if (known.rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(database)} encoding 'UTF8' template template0`)
      for (const context of contextNames) await provisionRole(client, server, traffic, context)
      await grantConnect(client, server, traffic, database)
    })
  }
}

async function provisionRole(client: pg.Client, server: DatabaseServer, traffic: Traffic, context: ContextName): Promise<void> {
  const { user, password } = server.loginFor(traffic, context)
  const role = pg.escapeIdentifier(String(user))
  const rights = 'login nosuperuser nocreatedb nocreaterole noreplication noinherit'
  const known = await client.query('select 1 from pg_roles where rolname = $1', [user])
  // A password is set again at each start: whoever changed the secret changes the passwords with it.
  await client.query(`${known.rowCount === 0 ? 'create' : 'alter'} role ${role} ${rights} password ${pg.escapeLiteral(String(password))}`)
}

/** Only the roles of this traffic may connect; PUBLIC's standing right to connect anywhere is taken away. */
export async function grantConnect(client: pg.Client, server: DatabaseServer, traffic: Traffic, database: string): Promise<void> {
  const roles = contextNames.map((context) => pg.escapeIdentifier(server.roleOf(traffic, context)))
  await client.query(`revoke all on database ${pg.escapeIdentifier(database)} from public`)
  await client.query(`grant connect on database ${pg.escapeIdentifier(database)} to ${roles.join(', ')}`)
}

/**
 * Gives a context's role the rows of its own schema and nothing else. Run after its migrations; new tables need it again.
 * `change` and `entry` are history: they may be added to and read, never altered.
 */
export async function grantSchema(client: pg.Client, server: DatabaseServer, traffic: Traffic, context: ContextName): Promise<void> {
  const role = pg.escapeIdentifier(server.roleOf(traffic, context))
  const schema = pg.escapeIdentifier(context)
  await client.query(`
    revoke all on schema public from public;
    revoke all on schema ${schema} from public;
    grant usage on schema ${schema} to ${role};
    grant select, insert, update, delete on all tables in schema ${schema} to ${role};
    grant usage, select on all sequences in schema ${schema} to ${role};`)
  const { rows } = await client.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = $1 and tablename = any($2)`,
    [context, ['change', 'entry', 'migration']],
  )
  for (const { name } of rows) {
    const taken = name === 'migration' ? 'insert, update, delete' : 'update, delete'
    await client.query(`revoke ${taken} on ${schema}.${pg.escapeIdentifier(name)} from ${role}`)
  }
}

async function onMaintenance(server: DatabaseServer, traffic: Traffic, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(server.admin(traffic, 'postgres'))
  client.on('error', () => undefined)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
