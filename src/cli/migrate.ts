import { migrateJobs } from '#platform/jobs-engine.ts'
import { migrate } from '#platform/migrations.ts'
import { openEngines } from '../engines.ts'
import { configOf, parse, reporter, type Verb } from './command.ts'

export const migrateVerb: Verb = {
  name: 'migrate',
  about: 'bring both databases, live and shadow, to the newest schema',
  usage: 'throughline migrate [--json]\n  JSON: applied (files by traffic)',
  async run(words) {
    const out = reporter(parse(words, {}).flag('json'))
    const engines = await openEngines(configOf(), out.say)
    try {
      const applied = await migrate(engines.server, { engines: [migrateJobs] })
      for (const { traffic, file } of applied) out.say(`${traffic.padEnd(6)}  ${file}`)
      out.say(applied.length === 0 ? 'nothing to apply' : `${applied.length} applied`)
      out.end({ applied })
      return 0
    } finally {
      await engines.close()
    }
  },
}
