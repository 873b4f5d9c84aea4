import { systemClock } from '#kernel/time.ts'
import { type SandboxName, sandboxProfiles, startSandboxPgs } from '#partners/sandbox-pg/index.ts'
import { parse, reporter, UsageError, type Verb } from './command.ts'

const names = Object.keys(sandboxProfiles)

export const sandboxVerb: Verb = {
  name: 'sandbox',
  about: 'run sandbox payment gateways as servers of their own, until it is stopped',
  usage: [
    'throughline sandbox [NAME …] [--port N] [--seed N] [--secret TEXT] [--webhooks URL]',
    `  NAME        some of ${names.join(', ')}; all of them unless told`,
    '  --port      the first one listens here, the next ones on the ports after it; 4010 unless told',
    '  --seed      what is drawn by chance (faults, defects of settlement files) is drawn from it; 1 unless told',
    '  --secret    signs their webhooks: the same as SANDBOX_PG_SECRET of the server',
    '  --webhooks  the server that is told, such as http://127.0.0.1:8080; nobody unless told',
    '  Each tells its own log at /log, its settlement files at /settlements/YYYY-MM-DD.csv and what it planted in them beside it.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, {
      port: { type: 'string' },
      seed: { type: 'string' },
      secret: { type: 'string' },
      webhooks: { type: 'string' },
    })
    const unknown = flags.positionals.find((name) => !names.includes(name))
    if (unknown !== undefined) throw new UsageError(`there is no sandbox "${unknown}"; there are ${names.join(', ')}`)
    const webhooks = flags.text('webhooks')
    if (webhooks !== undefined && !URL.canParse(webhooks)) throw new UsageError(`--webhooks must be an address, not "${webhooks}"`)
    const secret = flags.text('secret') ?? 'secret of a sandbox that only this machine knows'
    const out = reporter(flags.flag('json'))
    const pgs = await startSandboxPgs({
      ...(flags.positionals.length === 0 ? {} : { profiles: flags.positionals as SandboxName[] }),
      seed: flags.number('seed', 1),
      clock: systemClock,
      port: flags.number('port', 4010),
      webhookSecret: secret,
      ...(webhooks === undefined
        ? {}
        : { targets: (name) => ({ live: { url: `${webhooks.replace(/\/+$/, '')}/v1/payments/webhooks/${name}` } }) }),
    })
    const gateways = [...pgs.servers].map(([name, { url }]) => `${name}=${url}`)
    for (const gateway of gateways) out.say(gateway.replace('=', '  '))
    out.say(`\nGATEWAYS=${gateways.join(',')} SANDBOX_PG_SECRET='${secret}' npm run throughline -- start\n`)
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    })
    await pgs.close()
    out.end({ gateways })
    return 0
  },
}
