import { existsSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import pg from 'pg'
import { pendingMigrations } from '#platform/migrations.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { openEngines } from '../engines.ts'
import { configOf, parse, reporter, type Verb } from './command.ts'

type Finding = { readonly about: string; readonly ok: boolean; readonly detail: string }

export const doctorVerb: Verb = {
  name: 'doctor',
  about: 'look at this machine and this configuration, and say what would stand in the way',
  usage: 'throughline doctor [--json]\n  JSON: ok, findings. Exit code 1 when anything stands in the way.',
  async run(words) {
    const out = reporter(parse(words, {}).flag('json'))
    const config = configOf()
    const findings: Finding[] = [
      nodeVersion(),
      diskSpace(config.dataDir),
      await portFree(config.httpHost, config.httpPort),
      ...(await databases(config)),
    ]
    for (const { ok, about, detail } of findings) out.say(`${ok ? 'ok  ' : 'MEND'}  ${about.padEnd(24)}  ${detail}`)
    const ok = findings.every((finding) => finding.ok)
    out.end({ ok, findings })
    return ok ? 0 : 1
  },
}

function nodeVersion(): Finding {
  const major = Number(process.versions.node.split('.')[0])
  return { about: 'Node.js', ok: major >= 24, detail: `${process.version}${major >= 24 ? '' : ': 24 or newer is needed'}` }
}

function diskSpace(folder: string): Finding {
  const { bavail, bsize } = statfsSync(existsSync(folder) ? folder : '.')
  const gib = (bavail * bsize) / 2 ** 30
  return {
    about: 'disk',
    ok: gib > 2,
    detail: `${gib.toFixed(1)} GiB free where the data lies${gib > 2 ? '' : ': make room, a day of orders takes about 1 GiB'}`,
  }
}

function portFree(host: string, port: number): Promise<Finding> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      resolve({
        about: 'HTTP port',
        ok: false,
        detail: `${host}:${port} ${taken ? 'is taken (a server of ours, or set HTTP_PORT)' : error.message}`,
      })
    })
    probe.listen({ host, port }, () => probe.close(() => resolve({ about: 'HTTP port', ok: true, detail: `${host}:${port} is free` })))
  })
}

async function databases(config: ReturnType<typeof configOf>): Promise<Finding[]> {
  try {
    const engines = await openEngines(config, () => undefined)
    try {
      const findings: Finding[] = [{ about: 'PostgreSQL', ok: true, detail: engines.about }]
      for (const traffic of bothTraffics) {
        const client = new pg.Client(engines.server.loginFor(traffic, 'platform'))
        await client
          .connect()
          .then(async () => {
            const { rows } = await client.query<{ version: string; fsync: string }>(
              `select current_setting('server_version') as version, current_setting('fsync') as fsync`,
            )
            const fsync = rows[0]?.fsync === 'on'
            findings.push({
              about: `database ${traffic}`,
              ok: fsync,
              detail: `PostgreSQL ${rows[0]?.version}, fsync ${fsync ? 'on' : 'off: a power cut would lose orders'}`,
            })
            const pending = await pendingMigrations(engines.server, traffic)
            findings.push({
              about: `migrations ${traffic}`,
              ok: pending.length === 0,
              detail: pending.length === 0 ? 'all applied' : `${pending.length} to apply: throughline migrate`,
            })
          })
          .catch((error: Error) =>
            findings.push({ about: `database ${traffic}`, ok: false, detail: `${error.message}: throughline migrate makes it` }),
          )
          .finally(() => client.end())
      }
      return findings
    } finally {
      await engines.close()
    }
  } catch (error) {
    return [{ about: 'PostgreSQL', ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
}
