import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { chown, mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { withFolderLock } from '#platform/folder-lock.ts'
import { adminPassword, type Note, type PostgresHome, preparePostgresHome, writeForServer } from '#platform/postgres-home.ts'

/**
 * PostgreSQL 18 from npm, run as a child of ours: on 127.0.0.1 only, with data kept between starts.
 *
 * The server is a process group of its own, so Ctrl-C reaches only us and we stop it after our own last commit. Each of our
 * processes that uses the server leaves a file in `users/`; the last one to leave stops it. A server whose users were all
 * killed keeps running, is found through its postmaster.pid by the next start, and is stopped by that one.
 */
export interface EmbeddedPostgres {
  /** `started`: by this call. `attached`: it was running already. */
  readonly kind: 'started' | 'attached'
  readonly host: string
  /** Folder of its socket file, where there is one: a statement through it costs a quarter less than one over loopback (measured). */
  readonly socketFolder?: string
  readonly port: number
  readonly pid: number
  /** Superuser, database `postgres`. Holds the password: never print it. */
  readonly adminUrl: string
  readonly dataDir: string
  /** Leaves; the last user's leaving is a fast shutdown (SIGINT) that waits for the end. Safe to call twice. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  readonly dataDir: string
  /** Fixed port; otherwise a free one is chosen at first and kept while it stays free. */
  readonly port?: number
  /** Over the settings below, by their names in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
  readonly note?: Note
}

export const adminUser = 'throughline_admin'
const host = '127.0.0.1'
const startWithinMs = 60_000

const settingsForOurLoad: Readonly<Record<string, string>> = {
  listen_addresses: host,
  max_connections: '200',
  // An eighth of the machine, from 256 MB to 4 GB; it takes memory only as data come. With 256 MB a hot set of some gigabytes is copied from the
  // kernel's cache again and again.
  shared_buffers: `${Math.min(4096, Math.max(256, Math.floor(totalmem() / 8 / 2 ** 20)))}MB`,
  effective_cache_size: '1GB',
  work_mem: '8MB',
  maintenance_work_mem: '128MB',
  random_page_cost: '1.1',
  // Our statements are short; workers for one query would take the second core from another.
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  fsync: 'on',
  synchronous_commit: 'on',
  wal_compression: 'on',
  max_wal_size: '2GB',
  // A new segment is filled with zeros and synced while every commit waits: 50 ms, twice a second in a rush. Those that were made
  // once are kept for the next one.
  min_wal_size: '1GB',
  checkpoint_timeout: '15min',
  // Outbox and state rows are updated and deleted all the time: vacuum small and often instead of late and long. Not too often: whatever a
  // vacuum or an analyse has visited is planned again by every connection, and twenty small tables every ten seconds were a stall each time.
  autovacuum_naptime: '30s',
  autovacuum_vacuum_scale_factor: '0.05',
  autovacuum_analyze_scale_factor: '0.05',
  autovacuum_vacuum_threshold: '5000',
  autovacuum_analyze_threshold: '20000',
  // What is only ever added to is vacuumed for its reads: an index answers alone only for pages that all can see.
  autovacuum_vacuum_insert_scale_factor: '0.02',
  autovacuum_vacuum_insert_threshold: '50000',
  autovacuum_vacuum_cost_limit: '2000',
  idle_in_transaction_session_timeout: '5min',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_line_prefix: '%m %u@%d ',
}

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const note = options.note ?? (() => {})
  const home = await preparePostgresHome(options.dataDir, note)
  return withFolderLock(home.folder, async () => {
    const password = await adminPassword(home)
    if (!existsSync(home.data)) await initialise(home)
    await signIn(home)
    try {
      const found = runningServer(home)
      const running = found === undefined ? await launch(home, options) : await whenReady(home, found.pid)
      const adminUrl = `postgres://${adminUser}:${password}@${host}:${running.port}/postgres`
      await checkAnswer(adminUrl, home)
      let leaving: Promise<void> | undefined
      return {
        kind: found === undefined ? 'started' : 'attached',
        host,
        port: running.port,
        ...(existsSync(socketOf(home.data, running.port)) ? { socketFolder: home.data } : {}),
        pid: running.pid,
        adminUrl,
        dataDir: home.folder,
        stop: () => (leaving ??= leave(home)),
      }
    } catch (error) {
      await signOut(home)
      throw error
    }
  })
}

async function initialise(home: PostgresHome): Promise<void> {
  // Made beside and renamed when whole: a kill in the middle of initdb must not leave half a database that looks like one.
  const half = join(home.folder, 'data.new')
  const passwordFile = join(home.folder, 'initdb-password')
  await rm(half, { recursive: true, force: true })
  await mkdir(half, { mode: 0o700 })
  if (home.runAs !== undefined) await chown(half, home.runAs.uid, home.runAs.gid)
  try {
    await writeForServer(home, passwordFile, await adminPassword(home))
    const child = spawn(
      home.binaries.initdb,
      [
        '-D',
        half,
        '-U',
        adminUser,
        `--pwfile=${passwordFile}`,
        // Passwords even on loopback: with `trust` any local user would be superuser, and a shadow role could log in as a live one.
        '--auth=scram-sha-256',
        // Collation by code point, the same on every machine: an operating system's update cannot reorder an index.
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--set=include_if_exists=throughline.conf',
      ],
      { ...spawnOptions(home), stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const output: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
    const code = await exitOf(child)
    if (code !== 0) throw new Error(`initdb ended with ${code}: ${Buffer.concat(output).toString().slice(-2000)}`)
    await rename(half, home.data)
  } finally {
    await rm(passwordFile, { force: true })
  }
}

async function launch(home: PostgresHome, options: EmbeddedPostgresOptions): Promise<{ pid: number; port: number }> {
  const log = join(home.folder, 'server.log')
  const deadline = performance.now() + startWithinMs
  const portFile = join(home.folder, 'port')
  const kept = Number(await readFile(portFile, 'utf8').catch(() => '0'))
  if (((await stat(log).catch(() => undefined))?.size ?? 0) > 10_000_000) await truncate(log)
  let portWanted = options.port ?? kept
  for (;;) {
    await dropForeignPidFile(home)
    const port = await freePort(portWanted, options.port !== undefined)
    const sockets = { unix_socket_directories: canHoldSocket(home.data) ? home.data : '' }
    const settings = { ...settingsForOurLoad, ...sockets, ...options.settings, port: String(port) }
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`)
    await writeForServer(
      home,
      join(home.data, 'throughline.conf'),
      `# Written at each start; ALTER SYSTEM wins over it.\n${lines.join('\n')}\n`,
    )
    await writeFile(portFile, String(port))
    const before = (await stat(log).catch(() => undefined))?.size ?? 0
    const output = openSync(log, 'a', 0o600)
    const child = spawn(home.binaries.postgres, ['-D', home.data], {
      ...spawnOptions(home),
      detached: true,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    child.unref()
    const ended = exitOf(child)
    let exited: number | string | undefined
    void ended.then((code) => (exited = code)).catch((error: unknown) => (exited = String(error)))
    while (exited === undefined && performance.now() < deadline) {
      const server = readPidFile(home)
      if (server?.ready === true && server.pid === child.pid) {
        await yieldToCallers(server.pid)
        return { pid: server.pid, port: server.port }
      }
      await delay(10)
    }
    const said = readFileSync(log, 'utf8').slice(before).slice(-2000)
    if (exited === undefined) {
      child.kill('SIGQUIT')
      throw new Error(`PostgreSQL was not ready within ${startWithinMs / 1000} s; its log (${log}) ends with: ${said}`)
    }
    // Backends of a killed server live on until their statement ends and keep its shared memory, or its lock where the server
    // is a zombie; another program may have taken the port between our look and the bind. All of this passes by.
    const taken = /could not bind|could not create any|\.lock" already exists/.test(said)
    const passing = taken || /pre-existing shared memory block|"postmaster.pid" already exists/.test(said)
    if (!passing || performance.now() > deadline) throw new Error(`PostgreSQL ended at once (${exited}); its log (${log}) says: ${said}`)
    // Another port only where this one is taken: those who use the server find it again by its port.
    portWanted = options.port ?? (taken ? 0 : port)
    await delay(200)
  }
}

/**
 * Batch scheduling (sched(7)): a backend that is woken by a write to its socket waits for a free core instead of pushing off the one who wrote. On
 * few cores our event loop lost its core with nearly each statement it sent. Best effort: where there is no chrt, or it may not, nothing changes.
 */
async function yieldToCallers(pid: number): Promise<void> {
  await promisify(execFile)('chrt', ['--batch', '--pid', '0', String(pid)]).catch(() => undefined)
}

async function whenReady(home: PostgresHome, pid: number): Promise<{ pid: number; port: number }> {
  const deadline = performance.now() + startWithinMs
  while (performance.now() < deadline) {
    const server = readPidFile(home)
    if (server === undefined || server.pid !== pid) break
    if (server.ready) return server
    await delay(20)
  }
  throw new Error(`the PostgreSQL that runs on ${home.data} (pid ${pid}) does not become ready; see ${join(home.folder, 'server.log')}`)
}

async function checkAnswer(adminUrl: string, home: PostgresHome): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query<{ data_directory: string }>('show data_directory')
    if (rows[0]?.data_directory !== home.data) {
      throw new Error(
        `the server on that port keeps its data in ${rows[0]?.data_directory}, not in ${home.data}: another PostgreSQL answers there`,
      )
    }
  } finally {
    await client.end()
  }
}

async function leave(home: PostgresHome): Promise<void> {
  await withFolderLock(home.folder, async () => {
    await signOut(home)
    // Whichever server runs on the data now: ours may have died, and another process may have started it again and left.
    const pid = runningServer(home)?.pid
    if (otherUsers(home).length > 0 || pid === undefined) return
    // SIGINT is PostgreSQL's fast shutdown: it ends sessions, writes a checkpoint, and needs no recovery at the next start.
    process.kill(pid, 'SIGINT')
    const deadline = performance.now() + startWithinMs
    while (isAlive(pid)) {
      if (performance.now() > deadline) throw new Error(`PostgreSQL (pid ${pid}) does not stop; see ${join(home.folder, 'server.log')}`)
      await delay(10)
    }
  })
}

// Users: one file per process of ours, `pid-starttime`, so that a pid used again is not taken for its former owner.

const userFile = (home: PostgresHome): string => join(home.folder, 'users', `${process.pid}-${startTimeOf(process.pid)}`)
const uses = new Map<string, number>()

async function signIn(home: PostgresHome): Promise<void> {
  await mkdir(join(home.folder, 'users'), { recursive: true })
  uses.set(home.folder, (uses.get(home.folder) ?? 0) + 1)
  await writeFile(userFile(home), '')
}

async function signOut(home: PostgresHome): Promise<void> {
  const left = (uses.get(home.folder) ?? 0) - 1
  uses.set(home.folder, Math.max(left, 0))
  if (left <= 0) await rm(userFile(home), { force: true })
}

function otherUsers(home: PostgresHome): string[] {
  return readdirSync(join(home.folder, 'users')).filter((name) => {
    const [pid, started] = name.split('-')
    return isAlive(Number(pid)) && startTimeOf(Number(pid)) === started
  })
}

// What the machine says about processes.

function runningServer(home: PostgresHome): { pid: number; port: number; ready: boolean } | undefined {
  const server = readPidFile(home)
  return server !== undefined && isAlive(server.pid) && isOurServer(home, server.pid) ? server : undefined
}

function readPidFile(home: PostgresHome): { pid: number; port: number; ready: boolean } | undefined {
  let text: string
  try {
    text = readFileSync(join(home.data, 'postmaster.pid'), 'utf8')
  } catch {
    return undefined
  }
  const lines = text.split('\n')
  const pid = Number(lines[0])
  return pid > 0 ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' } : undefined
}

/** After a restart of the machine the pid in a stale file may belong to anyone; a postmaster's working folder is its data. */
function isOurServer(home: PostgresHome, pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === home.data
  } catch {
    // No /proc (macOS, Windows): PostgreSQL's own check at start and our question for its data folder must do.
    return process.platform !== 'linux'
  }
}

/**
 * PostgreSQL gives up when the pid in a stale postmaster.pid is alive, if only as a zombie that its parent has not taken note
 * of; we know that it is not PostgreSQL any more, so the file may go. Not before its last backend has, though: with the file
 * goes PostgreSQL's own way to see that one is still at work on the data.
 */
async function dropForeignPidFile(home: PostgresHome): Promise<void> {
  const server = readPidFile(home)
  if (server === undefined || hasBackends(home)) return
  const socket = socketOf(home.data, server.port)
  // The lock beside a socket names the same pid, and PostgreSQL believes it as long as it believes the pid file.
  for (const file of [`${socket}.lock`, socket]) await rm(file, { force: true })
  await rm(join(home.data, 'postmaster.pid'))
}

/** Every process of a PostgreSQL works in its data folder; a zombie works nowhere. Without /proc it cannot be told: perhaps. */
function hasBackends(home: PostgresHome): boolean {
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && isOurServer(home, Number(name)))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return statOf(pid)?.state !== 'Z'
}

function startTimeOf(pid: number): string {
  return statOf(pid)?.started ?? '0'
}

function statOf(pid: number): { state: string; started: string } | undefined {
  try {
    // The program's name, in parentheses, may hold spaces; fields are counted from behind it (proc(5): state 3, starttime 22).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return { state: fields[0] ?? '', started: fields[19] ?? '0' }
  } catch {
    return undefined
  }
}

const socketOf = (folder: string, port: number): string => join(folder, `.s.PGSQL.${port}`)

/** Whether a socket's whole path fits into the 107 bytes that systems take; the data folder itself lets nobody else in. */
function canHoldSocket(folder: string): boolean {
  return process.platform !== 'win32' && Buffer.byteLength(socketOf(folder, 65_535)) <= 103
}

async function freePort(wanted: number, fixed: boolean): Promise<number> {
  const tryPort = (port: number) =>
    new Promise<number | undefined>((found) => {
      const probe = createServer()
      probe.once('error', () => found(undefined))
      probe.listen({ port, host, exclusive: true }, () => {
        const address = probe.address()
        probe.close(() => found(typeof address === 'object' && address !== null ? address.port : undefined))
      })
    })
  // Below the ports that systems give to clients' connections: such a connection would hold ours when the server is started again.
  const below = () => tryPort(10_000 + Math.floor(Math.random() * 20_000))
  const port =
    (wanted === 0 ? undefined : await tryPort(wanted)) ?? (fixed ? undefined : ((await below()) ?? (await below()) ?? (await tryPort(0))))
  if (port === undefined) throw new Error(`port ${wanted} on ${host} is taken: choose another, or none to have one chosen`)
  return port
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('exit', (code, signal) => done(code ?? signal ?? 'unknown'))
  })
}

function spawnOptions(home: PostgresHome) {
  // Nothing of our environment goes in: it may hold secrets, and PG* variables would change the server.
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' }
  return { cwd: resolve(home.folder), env, ...(home.runAs === undefined ? {} : home.runAs) }
}
