import { createHmac } from 'node:crypto'
import { pino } from 'pino'
import { systemClock } from '#kernel/time.ts'
import { orderOf } from '#partners/made-city/index.ts'
import type { HotFolder } from '#partners/hot-folder/index.ts'
import type { Config } from '#platform/config.ts'
import { describeConfig } from '#platform/config.ts'
import { openLog } from '#platform/logs.ts'
import { migrateJobs } from '#platform/jobs-engine.ts'
import { migrate } from '#platform/migrations.ts'
import { openTraces } from '#platform/traces.ts'
import { type Core, openCore } from '../core.ts'
import { type Engines, openEngines } from '../engines.ts'
import { startRounds, startTrackRounds } from '../rounds.ts'
import { openServer, type Server } from '../server.ts'
import { openTrackCore, type TrackCore, trackContexts } from '../track-core.ts'
import { citySeed, cityOf, playCityRound, settleCity } from './city.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { folderOf } from './hot-folder.ts'

export const startVerb: Verb = {
  name: 'start',
  about: 'start the server: database, migrations, HTTP, relay and jobs',
  usage:
    'throughline start [--demo] [--roles ROLES] [--print-config] [--json]\n  --demo          a made city: store, goods, zones, trucks, and staff that delivers every order\n  --roles         parts that this process runs, such as http,relay; or track: tracking by itself. The setting ROLES unless told\n  --print-config  print the configuration and stop',
  async run(words) {
    const flags = parse(words, { demo: { type: 'boolean' }, roles: { type: 'string' }, 'print-config': { type: 'boolean' } })
    const out = reporter(flags.flag('json'))
    const started = performance.now()
    const asked = flags.text('roles')
    const config = configOf(asked === undefined ? {} : { THROUGHLINE_ROLES: asked })
    const alone = config.roles === 'track'
    if (alone && flags.flag('demo')) throw new UsageError('the demo is a whole city: it can not run with the roles of track alone')
    if (flags.flag('print-config')) {
      out.say(describeConfig(config))
      return 0
    }
    // What people read goes to standard output; in the demo, log lines only from warnings up, or they would bury it.
    const log = openLog(flags.flag('demo') && process.env['LOG_LEVEL'] === undefined ? 'warn' : config.logLevel, pino.destination(2))
    log.info({ config: describeConfig(config).split('\n') }, 'configuration')
    const engines = await openEngines(config, (message) => out.say(message))
    out.say(engines.about)
    const contexts = alone ? { contexts: trackContexts } : {}
    const applied = await migrate(engines.server, { engines: [migrateJobs], ...contexts })
    if (applied.length > 0) out.say(`${applied.length} migrations applied`)
    const traces = config.otlpEndpoint === undefined ? undefined : await openTraces({ endpoint: config.otlpEndpoint, log })
    const parts = { config, engines, clock: systemClock, log, ...(traces === undefined ? {} : { traces }) }
    const whole = alone ? undefined : await openCore(parts)
    const core: TrackCore = whole ?? (await openTrackCore(parts))
    const roles = new Set(alone ? ['http', 'relay', 'jobs'] : config.roles.split(','))
    let isUp = false
    const server = roles.has('http')
      ? await openServer({ core, config, engines, clock: systemClock, log, ...contexts, isStarting: () => !isUp }).catch(
          async (error: unknown) => {
            await core.close()
            await engines.close()
            throw portTaken(error, config) ?? error
          },
        )
      : undefined
    if (roles.has('relay')) {
      core.relay.start()
      await core.partners.open(core.runner)
      core.feeds.start()
    }
    if (roles.has('jobs')) {
      core.queues.start()
      await (alone ? startTrackRounds : startRounds)(core.jobs)
    }
    const hotFolder =
      whole !== undefined && roles.has('jobs') && config.hotFolder !== undefined ? folderOf(config.hotFolder, whole, log) : undefined
    hotFolder?.start()
    const demo = flags.flag('demo') && whole !== undefined ? await startDemo(whole, engines, server, out.say) : undefined
    out.say(
      `ready in ${((performance.now() - started) / 1000).toFixed(1)} s${server === undefined ? '' : ` at ${server.url}   API reference: ${server.url}/docs`}`,
    )
    if (demo !== undefined) out.say(demo.invitation)
    isUp = true
    await untilAskedToStop()
    out.say('stopping: finishing what is under way')
    await stop({ demo, hotFolder, server, core, engines, config })
    await traces?.close()
    out.end({ stopped: true })
    return 0
  },
}

/** The commonest mistake of all, a second start beside the first, told as one. */
function portTaken(error: unknown, { httpHost, httpPort }: Config): UsageError | undefined {
  if ((error as { code?: unknown }).code !== 'EADDRINUSE') return undefined
  return new UsageError(
    `port ${httpPort} on ${httpHost} is taken, perhaps by a server that runs already: stop it, or set HTTP_PORT to another port`,
  )
}

interface Demo {
  readonly invitation: string
  stop(): Promise<void>
}

async function stop(parts: {
  demo: Demo | undefined
  hotFolder: HotFolder | undefined
  server: Server | undefined
  core: TrackCore
  engines: Engines
  config: Config
}): Promise<void> {
  // A stop that hangs helps nobody: past its time the process ends, and what was under way is found again by the next start. The time
  // beside that of work under way is for connections and the last checkpoint of PostgreSQL, which takes seconds on a busy machine.
  const bound = setTimeout(() => process.exit(1), parts.config.stopWithinMs + 20_000)
  await parts.demo?.stop()
  await parts.hotFolder?.close()
  await parts.server?.close()
  await parts.core.close()
  await parts.engines.close()
  clearTimeout(bound)
}

function untilAskedToStop(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}

/** Time between two steps of the demo's staff: an order is at the door about three seconds after it was placed. */
const stepMs = 150

async function startDemo(core: Core, engines: Engines, server: Server | undefined, say: (line: string) => void): Promise<Demo> {
  const city = cityOf(systemClock.now())
  await settleCity(core, city)
  // Derived, so that the printed command works after a restart; it opens nothing that is not this machine's own demo.
  const secret = `tl_demo_${createHmac('sha256', engines.secrets.roleSecret).update('demo key').digest('base64url').slice(0, 32)}`
  await core.authentication.ensure(secret, {
    id: 'demo',
    client: 'demo',
    scopes: [...new Set(core.runner.operations.flatMap(({ scopes }) => scopes))],
  })
  let stopped = false
  const linked = new Set<string>()
  const rounds = (async () => {
    while (!stopped) {
      const began = performance.now()
      for (const { waybillId, orderNumber, to } of (await playCityRound(core)).slice(0, 20)) {
        if (!linked.has(orderNumber) && linked.size < 10_000) {
          linked.add(orderNumber)
          const link = await linkOf(core, waybillId)
          if (link !== undefined && server !== undefined) say(`${orderNumber}  follow it at ${server.url}${link}`)
        }
        say(`${orderNumber}  waybill ${waybillId} ${to.replaceAll('_', ' ')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(20, stepMs - (performance.now() - began))))
    }
  })()
  const body = JSON.stringify(orderOf(1, citySeed, (n) => city.address(n)))
  const invitation = [
    '',
    'Place an order and watch it arrive (the server tells each step here):',
    '',
    `curl -s -X POST ${server?.url}/v1/orders -H 'Authorization: Bearer ${secret}' -H "Idempotency-Key: $(date +%s%N)" -H 'Content-Type: application/json' -d '${body}'`,
    '',
  ].join('\n')
  return {
    invitation,
    async stop() {
      stopped = true
      await rounds
    },
  }
}

async function linkOf(core: Core, waybillId: number): Promise<string | undefined> {
  const context = { traffic: 'live', rehearsalId: null, actor: { id: 'system:made_city', scopes: ['*'] }, traceId: '' } as const
  const outcome = await core.runner.run('tracking.get_by_waybill', { context, input: { waybillId } })
  return outcome.ok ? (outcome.value as { publicPath: string }).publicPath : undefined
}
