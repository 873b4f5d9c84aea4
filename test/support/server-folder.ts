import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PostgresHome, preparePostgresHome } from '#platform/postgres-home.ts'
import { untilTrue } from '#test/until.ts'

const root = join(import.meta.dirname, '../..')

/** A process of ours under test, and all that it has said. */
export interface Spawned {
  readonly pid: number
  /** Standard output and standard error so far. */
  output(): string
  stdout(): string
  /** Waits until the output matches; fails with the output when the process ends first or the time is over. */
  said(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  readonly isRunning: boolean
  signal(signal: NodeJS.Signals): void
  write(line: string): void
}

/** A data folder with an embedded PostgreSQL of its own (fsync on, as in production) and a port for its server. */
export interface ServerFolder {
  readonly dataDir: string
  readonly port: number
  readonly url: string
  /** Environment of every process started here. */
  readonly env: Readonly<Record<string, string>>
  /** `node src/main.ts …words` on this folder. */
  run(words: readonly string[], env?: Readonly<Record<string, string>>): Spawned
  /** `node file …words` from the project's folder. */
  runFile(file: string, words: readonly string[]): Spawned
  isReady(): Promise<boolean>
  /** The running postmaster, or undefined. */
  postmaster(): number | undefined
  /** Administrator's URL of the embedded PostgreSQL, once it has been started. */
  adminUrl(): Promise<string>
  /** Ends every process started here and the PostgreSQL of the folder, by pid, and removes the folder. */
  close(): Promise<void>
}

export async function openServerFolder(env: Readonly<Record<string, string>> = {}): Promise<ServerFolder> {
  // The name is the one that the next test run looks for: should this process be killed, its PostgreSQL is found and ended then.
  const dataDir = await mkdtemp(join(tmpdir(), `throughline-test-${process.pid}-`))
  await chmod(dataDir, 0o755)
  const home: PostgresHome = await preparePostgresHome(dataDir, () => undefined)
  const port = await freePort()
  const spawned: Spawned[] = []
  const all = { DATA_DIR: dataDir, HTTP_PORT: String(port), ...env }
  const start = (words: readonly string[], more: Readonly<Record<string, string>> = {}): Spawned => {
    const child = spawnNode(words, { ...all, ...more })
    spawned.push(child)
    return child
  }
  const url = `http://127.0.0.1:${port}`
  const postmaster = (): number | undefined => {
    const pid = Number(textOf(join(home.data, 'postmaster.pid')).split('\n')[0])
    return pid > 0 && isAlive(pid) ? pid : undefined
  }
  return {
    dataDir,
    port,
    url,
    env: all,
    run: (words, more) => start([join(root, 'src/main.ts'), ...words], more),
    runFile: (file, words) => start([join(root, file), ...words]),
    isReady: () =>
      fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).then(
        async (response) => {
          await response.arrayBuffer()
          return response.status === 200
        },
        () => false,
      ),
    postmaster,
    async adminUrl() {
      const password = (await readFile(join(home.folder, 'admin-password'), 'utf8')).trim()
      return `postgres://throughline_admin:${password}@127.0.0.1:${textOf(join(home.folder, 'port')).trim()}/throughline`
    },
    async close() {
      for (const child of spawned) {
        if (child.isRunning) child.signal('SIGKILL')
        await child.ended
      }
      const server = postmaster()
      if (server !== undefined) {
        // At once and without a checkpoint: nobody wants these data any more.
        process.kill(server, 'SIGQUIT')
        await untilTrue(() => !isAlive(server), 15_000, 'the end of PostgreSQL')
      }
      for (const folder of new Set([home.folder, dataDir]))
        await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

function spawnNode(words: readonly string[], env: Readonly<Record<string, string>>): Spawned {
  // Of our environment only the path: a setting of the machine, or of vitest, must not decide a test.
  const child: ChildProcess = spawn(process.execPath, [...words], {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  let stdout = ''
  let isRunning = true
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => void (output += chunk.toString()))
  child.stdin?.on('error', () => undefined)
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject)
    // `close`, not `exit`: only then has all of its output been read.
    child.once('close', (code, signal) => {
      isRunning = false
      resolve({ code, signal })
    })
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`could not start node ${words.join(' ')}`)
  return {
    pid,
    output: () => output,
    stdout: () => stdout,
    ended,
    get isRunning() {
      return isRunning
    },
    async said(pattern, withinMs = 30_000) {
      const deadline = performance.now() + withinMs
      for (;;) {
        const found = pattern.exec(output)
        if (found !== null) return found
        if (!isRunning) throw new Error(`the process ended without saying ${String(pattern)}; it said:\n${output}`)
        if (performance.now() > deadline)
          throw new Error(`${String(pattern)} was not said within ${withinMs} ms; what was said:\n${output}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    signal: (signal) => void child.kill(signal),
    write: (line) => void child.stdin?.write(`${line}\n`),
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // A zombie answers signals too; where there is /proc it can be told.
  return !/\) Z /.test(textOf(`/proc/${pid}/stat`))
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

export function freePort(): Promise<number> {
  return new Promise((found, fail) => {
    const probe = createServer()
    probe.once('error', fail)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => found(port))
    })
  })
}
