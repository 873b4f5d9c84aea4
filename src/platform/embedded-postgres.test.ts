import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#platform/embedded-postgres.ts'

type Held = { kind: string; port: number; pid: number; adminUrl: string; process: ChildProcess }

let dataDir: string
const held: ChildProcess[] = []
const servers: EmbeddedPostgres[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throughline-embedded-'))
  await chmod(dataDir, 0o755)
})
afterEach(async () => {
  for (const child of held.splice(0)) child.kill('SIGKILL')
  // Whatever a failed test left running is found and ended here.
  if (existsSync(join(dataDir, 'data'))) await (await start()).stop()
  for (const server of servers.splice(0)) await server.stop()
})
afterAll(() => rm(dataDir, { recursive: true, force: true }))

async function start(options: { port?: number } = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, settings: { shared_buffers: '32MB' }, ...options })
  servers.push(server)
  return server
}

/** The same from another process, in a group of its own as a terminal would make it. */
async function startElsewhere(): Promise<Held> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../test/support/hold-postgres.ts'), dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  held.push(child)
  const line = await new Promise<string>((told, failed) => {
    createInterface({ input: child.stdout }).once('line', told)
    child.once('exit', (code) => failed(new Error(`the other process ended with ${code}`)))
  })
  return { ...(JSON.parse(line) as Omit<Held, 'process'>), process: child }
}

async function ask<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end()
  }
}

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const killed = (child: ChildProcess, signal: NodeJS.Signals) =>
  new Promise<void>((gone) => {
    child.once('exit', () => gone())
    process.kill(-(child.pid ?? 0), signal)
  })
const gone = (pid: number) => expect.poll(() => isAlive(pid), { timeout: 15_000, interval: 20 }).toBe(false)

describe('the embedded PostgreSQL', { timeout: 60_000 }, () => {
  test('keeps its data and its port from one start to the next', async () => {
    const first = await start()
    expect(first.kind).toBe('started')
    await ask(first.adminUrl, 'create table if not exists kept as select 42 as value')
    await first.stop()
    await gone(first.pid)
    const second = await start()
    expect(second.port).toBe(first.port)
    expect(await ask(second.adminUrl, 'select value from kept')).toEqual([{ value: 42 }])
    await second.stop()
    await second.stop()
  })

  test('lets who writes to it keep the core: its backends are scheduled as batch work', async () => {
    const { adminUrl } = await start()
    const client = new pg.Client({ connectionString: adminUrl })
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const policy = (await readFile(`/proc/${rows[0]?.pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')[38]
    await client.end()
    expect(policy, 'SCHED_BATCH of sched(7)').toBe('3')
  })

  test('listens on loopback only and asks for a password that only its owner can read', async () => {
    const server = await start()
    expect(await ask(server.adminUrl, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
    const { mode } = await stat(join(server.dataDir, 'admin-password'))
    expect(mode & 0o777).toBe(0o600)
    const guessed = server.adminUrl.replace(/:[^:@]+@/, ':guess@')
    await expect(ask(guessed, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  })

  test('outlives the kill of its user, is found by the next one and stopped by that one', async () => {
    const first = await startElsewhere()
    await killed(first.process, 'SIGKILL')
    const second = await start()
    expect(second).toMatchObject({ kind: 'attached', pid: first.pid, port: first.port })
    await second.stop()
    await gone(first.pid)
  })

  test('is not reached by the Ctrl-C of a terminal, so that the last commits can still be made', async () => {
    const first = await startElsewhere()
    await killed(first.process, 'SIGINT')
    expect(await ask(first.adminUrl, 'select 1 as alive')).toEqual([{ alive: 1 }])
  })

  test('comes back with every commit after kill -9 of everything', async () => {
    const first = await startElsewhere()
    await ask(first.adminUrl, 'drop table if exists acknowledged; create table acknowledged as select 7 as value')
    process.kill(first.pid, 'SIGKILL')
    await killed(first.process, 'SIGKILL')
    await gone(first.pid)
    expect(existsSync(join(dataDir, 'data/postmaster.pid'))).toBe(true)
    const second = await start()
    expect(second.kind).toBe('started')
    expect(await ask(second.adminUrl, 'select value from acknowledged')).toEqual([{ value: 7 }])
  })

  test('keeps its port where backends of the killed server live on for a while: those who use it look for it there', async () => {
    const first = await startElsewhere()
    const client = new pg.Client(first.adminUrl)
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const backend = rows[0]?.pid ?? 0
    // A backend that hangs in the kernel on a slow disk is like one that is stopped: it holds the shared memory.
    process.kill(backend, 'SIGSTOP')
    process.kill(first.pid, 'SIGKILL')
    await gone(first.pid)
    const log = () => readFile(join(dataDir, 'server.log'), 'utf8')
    const before = (await log()).length
    const starting = start()
    try {
      await expect.poll(async () => (await log()).slice(before), { timeout: 20_000 }).toContain('shared memory block')
    } finally {
      process.kill(backend, 'SIGKILL')
    }
    const second = await starting
    expect(second.port).toBe(first.port)
    await killed(first.process, 'SIGKILL')
  })

  test('starts although the stale lock names a process that is alive and someone else', async () => {
    await (await start()).stop()
    const lock = `${process.pid}\n${join(dataDir, 'data')}\n1700000000\n1\n\n127.0.0.1\n0 0\nready\n`
    await writeFile(join(dataDir, 'data/postmaster.pid'), lock)
    const server = await start()
    expect(server.kind).toBe('started')
    expect(server.pid).not.toBe(process.pid)
  })

  test('starts although the killed server is still a zombie that its parent has not taken note of', async () => {
    const first = await startElsewhere()
    // A stopped parent, like a container's first process that reaps nobody: the pid in the lock answers signals for ever.
    process.kill(first.process.pid ?? 0, 'SIGSTOP')
    process.kill(first.pid, 'SIGKILL')
    const second = await start()
    expect(second.kind).toBe('started')
    expect(isAlive(first.pid)).toBe(true)
    expect(await ask(second.adminUrl, 'select 1 as alive')).toEqual([{ alive: 1 }])
  })

  test('that died and was started again by another process is stopped by its last user', async () => {
    const first = await start()
    process.kill(first.pid, 'SIGKILL')
    await gone(first.pid)
    const second = await startElsewhere()
    expect(second.kind).toBe('started')
    const left = new Promise((exited) => second.process.once('exit', exited))
    second.process.stdin?.write('stop\n')
    await left
    expect(await ask(first.adminUrl, 'select 1 as alive')).toEqual([{ alive: 1 }])
    await first.stop()
    await gone(second.pid)
  })

  test('of two starts at once one starts it, the other attaches, and the last to leave stops it', async () => {
    const both = await Promise.all([startElsewhere(), startElsewhere()])
    expect(both.map(({ kind }) => kind).toSorted()).toEqual(['attached', 'started'])
    expect(both[0].pid).toBe(both[1].pid)
    const leave = (one: Held) => {
      const ended = new Promise((exited) => one.process.once('exit', exited))
      one.process.stdin?.write('stop\n')
      return ended
    }
    await leave(both[0])
    expect(await ask(both[1].adminUrl, 'select 1 as alive')).toEqual([{ alive: 1 }])
    await leave(both[1])
    await gone(both[0].pid)
  })

  test('takes another port when its own is occupied, and refuses a fixed one with a sentence', async () => {
    const first = await start()
    await first.stop()
    const squatter = createServer()
    await new Promise<void>((listening) => squatter.listen(first.port, '127.0.0.1', listening))
    try {
      await expect(start({ port: first.port })).rejects.toThrow(`port ${first.port} on 127.0.0.1 is taken`)
      const second = await start()
      expect(second.port).not.toBe(first.port)
    } finally {
      await new Promise((closed) => squatter.close(closed))
    }
  })

  test('begins anew where a first start was cut off in the middle', async () => {
    const half = await mkdtemp(join(tmpdir(), 'throughline-embedded-half-'))
    await chmod(half, 0o755)
    await mkdir(join(half, 'data.new/base'), { recursive: true })
    await writeFile(join(half, 'data.new/PG_VERSION'), '18')
    try {
      const server = await startEmbeddedPostgres({ dataDir: half })
      servers.push(server)
      expect(await ask(server.adminUrl, 'select 1 as alive')).toEqual([{ alive: 1 }])
      await server.stop()
    } finally {
      await rm(half, { recursive: true, force: true })
    }
  })

  test('says what is missing when the data are there but the password is gone', async () => {
    await (await start()).stop()
    const file = join(dataDir, 'admin-password')
    const password = await readFile(file, 'utf8')
    await rm(file)
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(`${file} is gone`)
    await writeFile(file, password, { mode: 0o600 })
  })

  test.skipIf(process.getuid?.() !== 0)('under root it moves to a folder that its own user can reach, and says so', async () => {
    const closed = await mkdtemp(join(tmpdir(), 'throughline-embedded-closed-'))
    await chmod(closed, 0o700)
    const notes: string[] = []
    const server = await startEmbeddedPostgres({ dataDir: join(closed, 'db'), note: (sentence) => notes.push(sentence) })
    try {
      expect(server.dataDir).toMatch(/^\/var\/lib\/throughline\//)
      expect(notes.join()).toContain(server.dataDir)
      await server.stop()
      const again = await startEmbeddedPostgres({ dataDir: join(closed, 'db') })
      expect(again.dataDir).toBe(server.dataDir)
      await again.stop()
    } finally {
      await server.stop()
      await rm(server.dataDir, { recursive: true, force: true })
      await rm(closed, { recursive: true, force: true })
    }
  })
})
