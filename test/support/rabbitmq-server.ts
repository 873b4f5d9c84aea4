import { type ChildProcess, spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accountFor } from '#platform/postgres-home.ts'
import { freePort } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'

/** A RabbitMQ of the test's own: own node, ports, folder and port mapper, all gone at the end. */
export interface RabbitMqServer {
  readonly url: string
  /** Ends it as a power failure would. */
  kill(): Promise<void>
  /** Starts it again on what it had written. */
  start(): Promise<void>
  /** Stops its process where it stands, as a machine that hangs, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  stop(): Promise<void>
}

/** Debian's place; the wrapper in the path is not used, since it always takes the machine's own node and folders. */
const programs = '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server'

/** Undefined where this machine has none. */
export async function startRabbitMq(): Promise<RabbitMqServer | undefined> {
  const [program] = globSync(programs)
  if (program === undefined) {
    // CI must not pass because it could not look.
    if (process.env['CI'] === 'true') throw new Error('rabbitmq-server is missing: .ci/run installs it')
    return undefined
  }
  const runAs = process.getuid?.() === 0 ? accountFor() : undefined
  const folder = await mkdtemp(join(tmpdir(), `throughline-rabbitmq-${process.pid}-`))
  const config = join(folder, 'rabbitmq.conf')
  const plugins = join(folder, 'enabled_plugins')
  const [port, distribution, mapper] = [await freePort(), await freePort(), await freePort()]
  await writeFile(config, `listeners.tcp.1 = 127.0.0.1:${port}\n`)
  await writeFile(plugins, '[].\n')
  if (runAs !== undefined) for (const path of [folder, config, plugins]) await chown(path, runAs.uid, runAs.gid)
  const options = {
    cwd: folder,
    ...runAs,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      ERL_EPMD_PORT: String(mapper),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `throughline_${port}@localhost`,
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_CONFIG_FILE: config,
      RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_CONF_ENV_FILE: join(folder, 'no-such-file'),
      // Started so, the script becomes the broker instead of starting it: its pid is the one to end.
      RUNNING_UNDER_SYSTEMD: '1',
    },
  }
  const epmd = spawn('epmd', ['-port', String(mapper), '-address', '127.0.0.1'], { ...options, stdio: 'ignore' })
  let broker: ChildProcess | undefined
  let ended: Promise<void> = Promise.resolve()
  const start = async (): Promise<void> => {
    let said = ''
    const child = spawn(program, [], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    broker = child
    ended = new Promise((resolve) => child.once('exit', () => resolve()))
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await untilTrue(
      async () => {
        if (child.exitCode !== null) throw new Error(`rabbitmq-server ended with ${child.exitCode}: ${said}`)
        return /Starting broker\.\.\. completed/.test(said) && (await answers(port))
      },
      60_000,
      'RabbitMQ',
    )
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    broker?.kill(signal)
    await ended
  }
  await start()
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    start,
    kill: () => end('SIGKILL'),
    signal: (signal) => void broker?.kill(signal),
    async stop() {
      await end('SIGKILL')
      const mapperGone = new Promise((resolve) => epmd.once('exit', resolve))
      if (epmd.exitCode === null && epmd.kill('SIGKILL')) await mapperGone
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
